"""Work at a destination, in a child that can be killed: a dead NAS holds a call for ever, and no thread can be killed.

`run` hands a generator function and its arguments to a child of this module (`child.py`), which says each `yield` (a
number of bytes, or None) and at last the value or the error. One that is silent for `STALL` seconds is killed and, if
even that hangs (a call that the kernel does not interrupt), left behind: at most one for each root, since the next work
there is refused at once for as long as that child lives. A cancelled caller's child is killed in the middle of its
write. Children that did their work well wait for more; they end with us, however we end.

Function, arguments and answers travel as pickles: both ends are this program, over a pipe that nobody else holds.
"""

from __future__ import annotations

import atexit
import os
import pickle
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")
P = ParamSpec("P")
Told = Callable[[int], None]
"""Hears how many bytes were handled since it was last called."""

STALL = 300.0
_TICK = 0.5
_HEAD = struct.Struct("!I")
_idle: list[_Child] = []
_working: list[_Child] = []
_stuck: dict[Path, _Child] = {}
_lock = threading.Lock()


async def run(
    where: Path,
    work: Callable[P, Generator[int | None, None, T]],
    told: Told | None = None,
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """`work(*args)` in a child; what it returns or raises. TimeoutError when it stalls. where: the root it is about."""
    given_up = threading.Event()
    try:
        result: T = await anyio.to_thread.run_sync(
            lambda: _run(where, work, told, args, kwargs, given_up), abandon_on_cancel=True
        )
        return result
    finally:
        given_up.set()


def run_here(
    where: Path,
    work: Callable[P, Generator[int | None, None, T]],
    told: Told | None = None,
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """The same for a caller without an event loop: it blocks, and Ctrl-C still ends it."""
    given_up = threading.Event()
    result: T = _run(where, work, told, args, kwargs, given_up)
    return result


def finished(work: Generator[int | None, None, T]) -> T:
    """What such work returns, done by whoever calls this."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            value: T = stop.value
            return value


def _run(
    where: Path, work: Callable[..., Any], told: Told | None, args: Any, kwargs: Any, given_up: threading.Event
) -> Any:
    child = _child(where)
    well = False
    try:
        child.send((work, args, kwargs))
        while True:
            kind, value = child.hear(STALL, given_up)
            if kind == "at":
                if told is not None and value:
                    told(value)
                continue
            well = True
            if kind == "raised":
                raise value
            return value
    finally:
        with _lock:
            _working.remove(child)
            if well:
                _idle.append(child)
            elif not child.end():
                _stuck[where] = child


def is_stuck(where: Path) -> bool:
    """Whether a child that was given up still hangs at this root."""
    stuck = _stuck.get(where)
    return stuck is not None and stuck.is_alive()


def at_work() -> list[_Child]:
    """The children that do something at this moment."""
    return list(_working)


def _child(where: Path) -> _Child:
    with _lock:
        if is_stuck(where):
            raise TimeoutError(f"an earlier call at {where} still hangs (process {_stuck[where].process.pid})")
        _stuck.pop(where, None)
        while _idle:
            child = _idle.pop()
            if child.is_alive():
                break
        else:
            child = _Child()
        _working.append(child)
        return child


class _Child:
    """One process of `child.py`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "joelclaw_backup.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for us to pass on
        )
        self._heard = b""

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def send(self, message: Any) -> None:
        raw = pickle.dumps(message)
        assert self.process.stdin is not None
        view = memoryview(_HEAD.pack(len(raw)) + raw)
        try:
            while view:
                view = view[self.process.stdin.write(view) :]
        except BrokenPipeError as error:
            raise OSError("the child that works at the destination has ended") from error

    def hear(self, seconds: float, given_up: threading.Event) -> tuple[str, Any]:
        """The next message. TimeoutError when none comes; OSError when the child has ended."""
        assert self.process.stdout is not None
        fd, until = self.process.stdout.fileno(), time.monotonic() + seconds
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        while True:
            if len(self._heard) >= _HEAD.size:
                (size,) = _HEAD.unpack_from(self._heard)
                if len(self._heard) >= _HEAD.size + size:
                    raw, self._heard = self._heard[_HEAD.size : _HEAD.size + size], self._heard[_HEAD.size + size :]
                    message: tuple[str, Any] = pickle.loads(raw)  # noqa: S301  our own child wrote it
                    return message
            if given_up.is_set():
                raise TimeoutError("nobody waits for it any more")
            if time.monotonic() > until:
                raise TimeoutError(f"it showed no sign of life for {seconds:g} s")
            if poller.poll(_TICK * 1000):
                piece = os.read(fd, 1 << 20)
                if not piece:
                    raise OSError("the child that works at the destination was ended in the middle of its work")
                self._heard += piece

    def end(self) -> bool:
        """Killed; False when it outlives even that."""
        with suppress(ProcessLookupError):
            self.process.kill()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        return not self.is_alive()


def end_all() -> None:
    """Ends the children that wait for work."""
    with _lock:
        while _idle:
            _idle.pop().end()


atexit.register(end_all)
