"""A small gate: how much one function may have in hand here."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio


@dataclass
class Room:
    """Free places of one function in this process."""

    places: int
    _free: int = field(init=False)
    _changed: anyio.Event | None = None
    """There while somebody waits: most places are left with nobody waiting for them."""
    turn: anyio.Semaphore = field(init=False)
    """To be held while one is served: two readers of one function may each fill the whole room at once."""

    def __post_init__(self) -> None:
        self._free = self.places
        self.turn = anyio.Semaphore(self.places, fast_acquire=True)

    async def some(self) -> int:
        """Waits until there is room; how much."""
        while self._free <= 0:
            self._changed = self._changed or anyio.Event()
            await self._changed.wait()
        return self._free

    @property
    def used(self) -> int:
        return self.places - self._free

    def enter(self) -> None:
        self._free -= 1

    def leave(self) -> None:
        self._free += 1
        if self._changed:
            self._changed.set()
            self._changed = None
