"""What may be a poison: when it begins, and beside what. (Decision record 0110.)

| begins without an end   | what becomes of it when it was taken over                                                |
|-------------------------|------------------------------------------------------------------------------------------|
| fewer than `ALONE_FROM` | begins beside other work                                                                 |
| more                    | begins alone in its process, the least begun first; few wait here, the rest is handed back |
| all but the last two    | the same, but in calm only: when nobody has died for some leases; else it comes again    |
|                         | a lease later                                                                            |
| as many as may be       | is only buried: no handler runs                                                          |

What was handed back is there for whoever looks next and has a place: so no process hoards what others could run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

import anyio

from joelclaw_bus.door import Incoming
from joelclaw_bus.functions import Function
from joelclaw_bus.leases import Held

ALONE_FROM = 2
"""Begins without an end, counted from the second delivery on, after which a run may be a poison."""
LAST = 2
"""So many begins before its burial a run begins in calm only."""
ALONE_LEASES = 5
LANE = 3
"""So many wait for their turn in one process."""
CALM_LEASES = 3
STORM_LEASES = 30
"""After so long a storm one last begin is let through, and then again after so long."""
REMEMBERED = 1_000
"""So much of what was taken over is known again."""


class Way(Enum):
    BESIDE = "beside other work"
    ALONE = "alone"
    ELSEWHERE = "where there is a place"
    LATER = "in calm"


def awaits_calm(begins: int, most: int) -> bool:
    return most - LAST <= begins < most


def way_of(begins: int, most: int, *, waiting: int, calm: bool) -> Way:
    """How a run goes on that began so often without an end. `most`: such begins until its burial; `waiting`: how many
    wait to run alone here."""
    if begins < ALONE_FROM or begins >= most:
        return Way.BESIDE
    if awaits_calm(begins, most) and not calm:
        return Way.LATER
    return Way.ELSEWHERE if waiting >= LANE else Way.ALONE


@dataclass
class Calm:
    """Whether workers die, as this process sees it by what it takes over. `local`: our monotonic clock, ms."""

    lease_ms: int
    local: Callable[[], float]
    _lost: float = field(init=False)
    _began: float = field(init=False)
    _took: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = self._lost = self.local()  # what was before us we don't know

    def took(self, what: str, begun: str, ours: str) -> None:
        """Work of which nobody suspects anything was taken over. `begun`: the claim of its latest begin, '' when there
        is no record of one; `ours`: the claim that we shall begin it with.

        Somebody was lost with it; but not when nobody else began it since we took it before: what can't be begun (its
        record is a newer build's, or of a wrong type) comes again every lease.
        """
        known = self._took.pop(what, None)
        self._took[what] = (begun, ours)
        if len(self._took) > REMEMBERED:
            del self._took[next(iter(self._took))]
        if known is None or begun not in known:
            self._lose()

    def _lose(self) -> None:
        if self._calm():
            self._began = self.local()
        self._lost = self.local()

    @property
    def now(self) -> bool:
        """Whether it is calm, or the storm is too long to be waited out."""
        return self._calm() or self.local() - self._began >= STORM_LEASES * self.lease_ms

    def used(self) -> None:
        """One that awaits calm begins now. In a storm the next one waits as long as this one did."""
        self._began = self.local()

    def _calm(self) -> bool:
        return self.local() - self._lost >= CALM_LEASES * self.lease_ms


@dataclass(frozen=True, slots=True)
class Suspect:
    """What may be a poison, and how often it began."""

    begins: int
    fn: Function
    incoming: Incoming
    held: Held


@dataclass
class Lane:
    """Where they run, one at a time; one that takes long lets the next begin after some leases. `most`: begins without
    an end until a burial."""

    lease_ms: int
    most: int
    calm: Calm
    start: Callable[[Function, Incoming, Held, Callable[[], None]], None]
    drop: Callable[[Held], None]
    _waiting: list[Suspect] = field(default_factory=list)
    _filled: anyio.Event = field(default_factory=anyio.Event)
    _looking: bool = False
    _looked: anyio.Event = field(default_factory=anyio.Event)

    @contextmanager
    def look(self) -> Iterator[None]:
        """Around a look at what was lost: what is found in another group may end the calm, so nobody begins before."""
        self._looking = True
        try:
            yield
        finally:
            self._looking = False
            self._looked.set()
            self._looked = anyio.Event()

    def __len__(self) -> int:
        """How many have not begun."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        return len(self) >= LANE

    def add(self, suspect: Suspect) -> None:
        self._waiting.append(suspect)
        self._filled.set()

    def clear(self) -> list[Suspect]:
        """Nobody waits any more; who did."""
        waited, self._waiting = self._waiting, []
        return waited

    async def run(self) -> None:
        while True:
            while not self._waiting:
                self._filled = anyio.Event()
                await self._filled.wait()
            await self.serve_next()

    async def serve_next(self) -> None:
        """Begin the least begun of those that may begin now, and wait for its end; but not for ever."""
        while self._looking:
            await self._looked.wait()
        suspect = self._next()
        if suspect is None:
            return
        done = anyio.Event()
        self.start(suspect.fn, suspect.incoming, suspect.held, done.set)
        with anyio.move_on_after(ALONE_LEASES * self.lease_ms / 1000):
            await done.wait()

    def _next(self) -> Suspect | None:
        """Who begins now. It may have been calm when one lined up, and not be so any more: that one is let go of."""
        while self._waiting:
            suspect = min(self._waiting, key=lambda s: s.begins)
            self._waiting.remove(suspect)
            if way_of(suspect.begins, self.most, waiting=0, calm=self.calm.now) is not Way.LATER:
                if awaits_calm(suspect.begins, self.most):
                    self.calm.used()
                return suspect
            self.drop(suspect.held)
        return None
