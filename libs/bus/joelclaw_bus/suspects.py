"""What may be a poison: when it begins, and beside what. (Decision record 0110.)

| begins without an end   | what becomes of it when it was taken over                                                |
|-------------------------|------------------------------------------------------------------------------------------|
| fewer than `ALONE_FROM` | begins beside other work                                                                 |
| more                    | begins alone in its process, the least begun first; few wait here, the rest is let go of |
| all but the last two    | the same, but in calm only: when nobody has died for some leases                         |
| as many as may be       | is only buried: no handler runs                                                          |

What was let go of comes again a lease later, to whoever has a place: so no process hoards what others could run.
"""

from __future__ import annotations

from collections.abc import Callable
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
"""A storm that has left this process alone for so long is waited out no longer."""


class Way(Enum):
    BESIDE = "beside other work"
    ALONE = "alone"
    LATER = "not here and now"


def way_of(begins: int, most: int, *, waiting: int, calm: bool) -> Way:
    """How a run goes on that began so often without an end. `most`: such begins until its burial; `waiting`: how many
    wait to run alone here."""
    if begins < ALONE_FROM or begins >= most:
        return Way.BESIDE
    if waiting >= LANE or (begins >= most - LAST and not calm):
        return Way.LATER
    return Way.ALONE


@dataclass
class Calm:
    """Whether workers die, as this process sees it by what it takes over. `local`: our monotonic clock, ms."""

    lease_ms: int
    local: Callable[[], float]
    _lost: float = field(init=False)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._lost = self.local()  # what was before us we don't know

    def lost(self) -> None:
        """Somebody was lost with work of which nobody suspects anything."""
        if self._calm():
            self._began = self.local()
        self._lost = self.local()

    @property
    def now(self) -> bool:
        """Whether it is calm, or the storm has left us alone for long."""
        return self._calm() or self.local() - self._began >= STORM_LEASES * self.lease_ms

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
    """Where they run, one at a time; one that takes long lets the next begin after some leases."""

    lease_ms: int
    start: Callable[[Function, Incoming, Held, Callable[[], None]], None]
    _waiting: list[Suspect] = field(default_factory=list)
    _filled: anyio.Event = field(default_factory=anyio.Event)

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
        """Begin the least begun of them, and wait for its end; but not for ever."""
        suspect = min(self._waiting, key=lambda s: s.begins)
        self._waiting.remove(suspect)
        done = anyio.Event()
        self.start(suspect.fn, suspect.incoming, suspect.held, done.set)
        with anyio.move_on_after(ALONE_LEASES * self.lease_ms / 1000):
            await done.wait()
