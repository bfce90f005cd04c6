"""How many may start in a period: a run gets its turn, or its place in the line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from joelclaw_bus.script import load_script
from joelclaw_bus.slot_calls.base import Calls

_script = partial(load_script, "joelclaw_bus")


@dataclass(frozen=True, slots=True)
class Turn:
    """`wait_ms`: 0 it may start now, else how long until its turn; `before`: how many wait before it."""

    wait_ms: int
    before: int = 0


@dataclass(frozen=True, slots=True)
class RateCalls(Calls):
    async def turn(self, function: str, key: str, member: str, most: int, period_ms: int, arrived: float) -> Turn:
        """Ask for a run's turn. Asking again changes nothing. arrived: when its event came, ms."""
        slot = self.keys.function_slot(function)
        answer = await self.store.run(
            _script("turn"), [slot.starts(key), slot.line(key), slot.turns(key)], [member, most, period_ms, arrived]
        )
        return Turn(0) if answer[0] else Turn(max(1, int(answer[1])), int(answer[2]))
