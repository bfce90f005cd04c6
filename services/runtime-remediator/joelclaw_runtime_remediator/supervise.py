"""The one restart primitive: end what is ours, start it anew, in a session of its own. Everything that restarts, calls
this, and nobody calls it without the guard's intent: `fence` is that intent's.

Hard time-outs throughout: SIGTERM to every process of the session, then SIGKILL, then an error. Each signal goes by
pidfd to a process whose start ticks were compared after the pidfd was opened, so a recycled pid is never signalled.
Blocking: call it in a thread.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from joelclaw_runtime_remediator import launch
from joelclaw_runtime_remediator.process import Identity, Stat, read_identity, session_of, sight, stat_of

TURN = 0.02  # seconds between two looks at a process that ends or starts
KILL_S = 5.0  # SIGKILL takes effect at once, unless the process is in the kernel's hands
START_S = 10.0  # until the started process has written who it is


class RestartFailed(Exception):
    """The act did not succeed; the message says how far it came."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """What was done. `ended_by`: `SIGTERM`, `SIGKILL`, or `nothing` where nothing of it ran any more."""

    identity: Identity
    ended_by: str


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Owns one command. log_file: where its output goes; stop_s: how long SIGTERM may take."""

    command: Sequence[str]
    state_file: Path
    log_file: Path
    stop_s: float = 10.0
    environ: Mapping[str, str] = field(default_factory=dict)

    def restart(self, fence: int) -> Restarted:
        """RestartFailed. Preflight comes first: what can't be started doesn't replace what runs."""
        self._preflight()
        with self._alone():
            ended_by = self._end(fence)
            return Restarted(self._start(fence), ended_by)

    def pids(self) -> set[int]:
        """The processes of the runtime's session, for those who ask what a restart would kill."""
        identity = sight(self.state_file).identity
        return {stat.pid for stat in session_of(identity)} if identity else set()

    def _preflight(self) -> None:
        if not self.command or shutil.which(self.command[0], path=self.environ.get("PATH")) is None:
            raise RestartFailed(f"{self.command[0] if self.command else 'no command'} is no program on this machine")
        try:
            self.state_file.parent.mkdir(parents=True, exist_ok=True)
            self.log_file.open("ab").close()
        except OSError as error:
            raise RestartFailed(f"state file or log can't be written: {error}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One restart at a time on this machine, whatever stores they belong to."""
        with open(f"{self.state_file}.act", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RestartFailed("another restart is under way on this machine") from error
            yield

    def _end(self, fence: int) -> str:
        try:
            identity = read_identity(self.state_file)
        except FileNotFoundError:
            return "nothing"
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RestartFailed(f"{self.state_file} can't be read: {error}; nothing was signalled") from error
        if identity.fence >= fence:
            raise RestartFailed(f"stale: act {identity.fence} was here after act {fence} was decided")
        if not session_of(identity):
            return "nothing"
        for stat in session_of(identity):
            _signal(stat, signal.SIGTERM)
            _signal(stat, signal.SIGCONT)  # a stopped process hears nothing else before it goes on
        if _ended(identity, self.stop_s):
            return "SIGTERM"
        deadline = time.monotonic() + KILL_S
        while left := session_of(identity):  # again and again: it may fork while it is killed
            if time.monotonic() > deadline:
                raise RestartFailed(f"process {left[0].pid} does not end even by SIGKILL; nothing was started")
            for stat in left:
                _signal(stat, signal.SIGKILL)
            _ended(identity, TURN * 5)
        return "SIGKILL"

    def _start(self, fence: int) -> Identity:
        program = [sys.executable, "-I", "-S", launch.__file__, str(self.state_file), str(fence), "--", *self.command]
        log = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            # Not Popen: nobody waits for this child. It outlives us, and we outlive it.
            pid = os.posix_spawn(
                sys.executable,
                program,
                dict(self.environ),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, nothing, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGHUP],
            )
        except OSError as error:
            raise RestartFailed(f"it can't be started: {error}") from error
        finally:
            os.close(log)
            os.close(nothing)
        return self._await_identity(pid, fence)

    def _await_identity(self, pid: int, fence: int) -> Identity:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with suppress(OSError, ValueError, KeyError, TypeError):
                identity = read_identity(self.state_file)
                if identity.fence == fence and identity.pid == pid:
                    return identity
            if (code := reap(pid)) is not None:
                raise RestartFailed(f"its launcher ended with {code}; see {self.log_file}")
            time.sleep(TURN)
        raise RestartFailed(f"it has not said who it is for {START_S:g} s; see {self.log_file}")


def reap(pid: int) -> int | None:
    """Its exit code if it was our child and has ended; else None. Children that ended must not stay as zombies."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if done else None


def _ended(identity: Identity, seconds: float) -> bool:
    return _until(lambda: not session_of(identity), identity.pid, seconds)


def _until(true: Callable[[], bool], pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        reap(pid)
        if time.monotonic() > deadline:
            return False
        time.sleep(TURN)
    reap(pid)
    return True


def _signal(stat: Stat, number: signal.Signals) -> None:
    """To this process or to none."""
    try:
        handle = os.pidfd_open(stat.pid)
    except ProcessLookupError:
        return
    try:
        now = stat_of(stat.pid)
        if now is not None and now.ticks == stat.ticks:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)
