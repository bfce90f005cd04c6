"""The clock of a bus under test: it stands still until the test moves it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from joelclaw_bus.clock import ServerClock

A_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
"""Where time begins unless the test says otherwise: midnight, so that schedules fire at the same steps every day."""


@dataclass
class TestClock(ServerClock):
    """The server's clock, and every worker's reckoning of it: here they never differ."""

    __test__ = False  # no test case, whatever pytest makes of the name

    at_ms: int = 0

    def now_ms(self) -> int:
        return self.at_ms

    def seconds(self) -> float:
        """The same for producers, who count in seconds."""
        return self.at_ms / 1000

    def steady_for_ms(self) -> float:
        """Nothing ever jumps: a takeover needs no lease's patience first."""
        return float("inf")

    async def sync(self) -> str:
        return ""

    async def meet(self, key: str) -> None:
        return None
