"""One entry in the hands of one consumer, and the claim that fences it: what every write of a run names."""

from __future__ import annotations

import math
from dataclasses import dataclass

import anyio

from joelclaw_bus.keys import Slot


@dataclass(eq=False, slots=True)
class Delivery:
    """One entry as this consumer got it. `ready`: from the function's ready stream rather than from the event stream.

    `run` is known once the entry was read. `began_ms`, `began_at`: when it began, by the server's clock and by ours.
    """

    slot: Slot
    function: str
    consumer: str
    entry: str
    run: str
    claim: str
    ready: bool
    began_ms: int = 0
    began_at: float = 0.0

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

    def begins(self, now_ms: int, at: float | None = None) -> None:
        """`now_ms`: by the server's clock; `at`: by ours, now unless told."""
        self.began_ms, self.began_at = now_ms, anyio.current_time() if at is None else at

    @property
    def began(self) -> tuple[int, int]:
        """When it began by the server's clock, ms, and how long ago that is by ours, ms."""
        return self.began_ms, math.ceil((anyio.current_time() - self.began_at) * 1000)

    @property
    def head(self) -> tuple[str, str, str, str, str]:
        return self.function, self.consumer, self.entry, self.claim, self.run
