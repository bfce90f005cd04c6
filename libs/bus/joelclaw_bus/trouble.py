"""Meeting a store that is away: wait longer each time, tell it once per spell, and tell when it is over.

A store that is *away* (no answer, or a refusal of everything) is the whole worker's trouble, and an outage must not
look like death. One that answers and refuses one thing is one loop's trouble: the others, takeover too, go on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import anyio

from joelclaw_bus.errors import BusError, NoFreeConnection, StoreRefused, StoreUnavailable
from joelclaw_bus.observer import Observer, StoreBack, StoreTrouble, Stuck, Unstuck
from joelclaw_bus.refusals import concerns

FIRST_WAIT = 0.05
LONGEST_WAIT = 1.0


def is_away(error: BusError) -> bool:
    """Whether the whole store is out of reach, rather than one key, command or channel refused."""
    if isinstance(error, StoreUnavailable):
        return not isinstance(error, NoFreeConnection)
    return isinstance(error, StoreRefused) and concerns(error.kind) == "everybody"


def is_full(error: BusError) -> bool:
    """Whether the store takes no new work. Leases and takeovers go on, so that old work can drain."""
    return isinstance(error, StoreRefused) and concerns(error.kind) == "new work"


@dataclass
class Spells:
    """The store's absences as the whole worker sees them: one spell, however many loops meet it.

    It is over when every loop that met it got an answer: one that never lost its connection must not end it.
    """

    where: str
    observer: Observer
    on_trouble: Callable[[], None]
    why: str = ""
    _since: float | None = None
    _met: set[int] = field(default_factory=set)

    @property
    def in_trouble(self) -> bool:
        return self._since is not None

    def begin(self, doing: str, error: BusError, loop: int = 0) -> None:
        """`loop`: who will say that it is over; 0: one who won't, so that any loop's answer ends it."""
        if is_away(error):
            self.on_trouble()
        self._met.add(loop)
        self.why = str(error)
        if self._since is None:
            self._since = anyio.current_time()
            self.observer.saw(StoreTrouble(self.where, doing, str(error)))

    def end(self, loop: int) -> None:
        self._met -= {loop, 0}
        if self._since is not None and not self._met:
            after = anyio.current_time() - self._since
            self._since = None
            self.observer.saw(StoreBack(self.where, after))


@dataclass
class Trouble:
    """One loop's patience. `aside`: an outage that this loop meets is not the worker's: those that work meet it, too,
    if it is one of theirs."""

    spells: Spells
    aside: bool = False
    _doing: str = ""
    _wait: float = FIRST_WAIT
    _failed: bool = field(default=False)
    stuck_on: str = ""
    """What the store refuses this loop, while it does; '' when its last try was answered as it should be."""

    async def attempts(self, doing: str) -> AsyncIterator[None]:
        """Yields for ever; after a failed attempt it waits first."""
        self._doing = doing
        while True:
            self._failed = False
            yield
            if self._failed:
                await anyio.sleep(self._wait)
                self._wait = min(self._wait * 2, LONGEST_WAIT)

    def saw(self, error: BusError, *, quietly: bool = False) -> None:
        self._failed = True
        if is_away(error) or is_full(error):
            if not self.aside:
                self.spells.begin(self._doing, error, id(self))
            return
        if isinstance(error, NoFreeConnection):
            quietly = quietly or self.spells.in_trouble  # those that hold the connections tell what it is
        else:
            self.answered()
        if not quietly and not self.stuck_on:
            self.stuck_on = str(error)
            self.spells.observer.saw(Stuck("", self._doing, str(error)))

    def answered(self) -> None:
        """The store is there; whether it does what this loop wants is not said."""
        self.spells.end(id(self))

    def over(self) -> None:
        self._wait = FIRST_WAIT
        if self.stuck_on:
            self.stuck_on = ""
            self.spells.observer.saw(Unstuck("", self._doing))
        self.answered()
