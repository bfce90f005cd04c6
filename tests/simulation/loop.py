"""An event loop in virtual time: when nobody is ready, its clock jumps to the next timer.

Everything that runs belongs to an *owner*, by a context variable that tasks inherit. Each owner's tasks run in their
own order, as in asyncio; whose turn is next among several owners is drawn by lot. An owner that is held up (`stopped`)
keeps what it has to do, as a process under SIGSTOP does.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from random import Random
from typing import Any


@dataclass(eq=False)
class Owner:
    """Who runs. `stopped`: frozen, or dead."""

    name: str
    stopped: bool = False
    ready: deque[asyncio.Handle] = field(default_factory=deque)


HARNESS = Owner("harness")
WHO: ContextVar[Owner] = ContextVar("WHO", default=HARNESS)


class Killed(BaseException):
    """What a dead process's tasks are told when the history is cleared away: none of them may call anybody."""


class Stalled(RuntimeError):
    """Nobody is ready and no timer is set: something waits for what cannot come."""


class _Ready:
    """What asyncio takes for its queue of ready handles: it gives each to its owner."""

    def __init__(self) -> None:
        self.owners: list[Owner] = []
        self._known: set[int] = set()

    def append(self, handle: asyncio.Handle) -> None:
        context: Context = handle._context  # type: ignore[attr-defined]  # a handle has no other way to say whose it is
        owner = context.get(WHO, HARNESS)
        if id(owner) not in self._known:
            self._known.add(id(owner))
            self.owners.append(owner)
        owner.ready.append(handle)

    def clear(self) -> None:
        for owner in self.owners:
            owner.ready.clear()

    def __len__(self) -> int:
        return sum(len(owner.ready) for owner in self.owners)


class VirtualLoop(asyncio.BaseEventLoop):
    """`latest`: a history that gets so far has gone wrong."""

    def __init__(self, dice: Random, latest: float = 1e6) -> None:
        super().__init__()
        self._now = 0.0
        self._dice = dice
        self._latest = latest
        self._ready: Any = _Ready()
        self._scheduled: list[Any] = []
        self.errors: list[str] = []
        self.set_exception_handler(self._note)

    def time(self) -> float:
        return self._now

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)  # there are no threads here

    def _run_once(self) -> None:
        self._fire()
        owners = [owner for owner in self._ready.owners if owner.ready and not owner.stopped]
        if not owners:
            self._jump()
            return
        owner = owners[0] if len(owners) == 1 else self._dice.choice(owners)
        handle = owner.ready.popleft()
        if not handle.cancelled():
            handle._run()

    def _fire(self) -> None:
        """Make ready whose time has come."""
        while self._scheduled and (self._scheduled[0].cancelled() or self._scheduled[0].when() <= self._now):
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False
            if not timer.cancelled():
                self._ready.append(timer)

    def _jump(self) -> None:
        if not self._scheduled:
            raise Stalled("nobody is ready, and no timer is set")
        self._now = self._scheduled[0].when()
        if self._now > self._latest:
            raise Stalled(f"it goes on after {self._latest:.0f} s")

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(f"{context['message']}: {context.get('exception')!r}")

    def _write_to_self(self) -> None:
        return
