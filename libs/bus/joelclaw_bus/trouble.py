"""Meeting a store that is away: wait longer each time, tell it once per spell, and tell when it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import anyio

from joelclaw_bus.errors import BusError
from joelclaw_bus.observer import Observer, StoreBack, StoreTrouble

FIRST_WAIT = 0.05
LONGEST_WAIT = 1.0


@dataclass
class Spells:
    """The store's troubles as the whole worker sees them: one spell, however many loops meet it."""

    where: str
    observer: Observer
    on_trouble: Callable[[], None]
    _since: float | None = None

    @property
    def in_trouble(self) -> bool:
        return self._since is not None

    def begin(self, doing: str, error: BusError) -> None:
        self.on_trouble()
        if self._since is None:
            self._since = anyio.current_time()
            self.observer.saw(StoreTrouble(self.where, doing, str(error)))

    def end(self) -> None:
        if self._since is not None:
            after = anyio.current_time() - self._since
            self._since = None
            self.observer.saw(StoreBack(self.where, after))


@dataclass
class Trouble:
    """One loop's patience."""

    spells: Spells
    _doing: str = ""
    _wait: float = FIRST_WAIT
    _failed: bool = field(default=False)

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
        if not quietly:
            self.spells.begin(self._doing, error)

    def over(self) -> None:
        self._wait = FIRST_WAIT
        self.spells.end()
