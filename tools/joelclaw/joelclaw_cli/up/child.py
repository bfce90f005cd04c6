"""One service's process. It inherits a lock on `services/NAME.lock`, in which its process number stands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from joelclaw_bus.file_lock import FileLock

LONGEST_LINE = 16_384


class Child:
    """A service of this state directory; at most one process of it lives."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.ready_file = folder / f"{name}.ready.json"
        self._lock = FileLock(folder / f"{name}.lock")
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process and self._process.returncode is None else 0

    async def start(self, argv: list[str], env: Mapping[str, str]) -> None:
        """Start it, in a session of its own: Ctrl-C reaches the supervisor alone, which then stops all in order."""
        self.ready_file.unlink(missing_ok=True)
        if not self._lock.take(wait=5.0):
            raise OSError(f"{self._lock.path} is held by {self._lock.holder() or 'another process'}")
        try:
            self._lock.say("")
            self._process = await anyio.open_process(
                argv,
                env=env,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[self._lock.fd],
            )
            self._lock.say(str(self._process.pid))
        finally:
            self._lock.leave()

    async def attend(self, tell: Callable[[str], None]) -> int:
        """Pass its lines on until it ends; the exit code, negative for a signal. What it leaves behind is killed."""
        assert self._process is not None, "start comes first"
        async with anyio.create_task_group() as reading:
            reading.start_soon(self._read, tell)
            code = await self._process.wait()
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)  # its own children would hold the lock and the pipe
            reading.cancel_scope.deadline = anyio.current_time() + 1.0
        await self._process.aclose()
        return code

    async def _read(self, tell: Callable[[str], None]) -> None:
        """A line without end is cut, never hoarded."""
        assert self._process is not None
        assert self._process.stdout is not None
        rest = ""
        async for text in TextReceiveStream(self._process.stdout, errors="replace"):
            *whole, rest = (rest + text).split("\n")
            for line in whole:
                tell(line.rstrip("\r"))
            if len(rest) > LONGEST_LINE:
                tell(rest)
                rest = ""
        if rest:
            tell(rest)

    def ready(self) -> dict[str, Any] | None:
        """What it wrote once it was ready; None before."""
        try:
            told = json.loads(self.ready_file.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) and told.get("pid") == self.pid else None

    def ask_to_stop(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """It and whatever it started."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number) if number is signal.SIGKILL else os.kill(self.pid, number)


def end_orphans(folder: Path, *, grace: float) -> list[str]:
    """End the services that an earlier, killed supervisor left; the names of those it met. OSError if one stays."""
    met = []
    for path in sorted(folder.glob("*.lock")):
        lock = FileLock(path)
        if not lock.take():
            met.append(path.stem)
            _end(lock, grace)
        lock.leave()
    return met


def _end(lock: FileLock, grace: float) -> None:
    """A process group keeps its number while it has members, and the lock is held: so the number is still theirs."""
    text = lock.holder()
    for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 2.0)):
        with suppress(ProcessLookupError):
            if text.isdigit():
                os.killpg(int(text), number)
        if lock.take(wait=wait):
            return
    raise OSError(f"process {text or 'unknown'} still holds {lock.path}; end it, then try again")
