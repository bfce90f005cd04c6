"""One entry in the hands of one consumer, and the claim that fences it: what every write of a run names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from joelclaw_bus.keys import Slot


@dataclass(eq=False, slots=True)
class Delivery:
    """One entry as this consumer got it. `ready`: from the function's ready stream rather than from the event stream.

    `run` is known once the entry was read.
    """

    slot: Slot
    function: str
    consumer: str
    entry: str
    run: str
    claim: str
    ready: bool
    _began: tuple[int, float, Callable[[], float]] | None = None

    @property
    def source(self) -> str:
        return self.slot.ready(self.function) if self.ready else self.slot.stream

    @property
    def key(self) -> str:
        """The run's name among all slots: two streams may bring the same event id, even by chance."""
        return f"{self.slot.name}|{self.run}"

    @property
    def mark(self) -> str:
        return "r" if self.ready else "s"

    def begins(self, now_ms: int, local: Callable[[], float]) -> None:
        """It begins now: by the server's clock, ms, and by our monotonic one."""
        self._began = now_ms, local(), local

    @property
    def began(self) -> tuple[int, int]:
        """When it began by the server's clock, ms, and how long ago that is by ours, ms; zeros before."""
        if self._began is None:
            return 0, 0
        began_ms, at, local = self._began
        return began_ms, math.ceil(local() - at)

    @property
    def head(self) -> tuple[str, str, str, str, str]:
        return self.function, self.consumer, self.entry, self.claim, self.run
