"""Whether a run may start now: whether its turn has come (rate limit), whether its event is the last (debounce)."""

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
class Quiet:
    """`wait_ms`: 0 it may start now, else how long it is to be quiet yet; `by`: the run (slot|run) of a later event."""

    wait_ms: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True)
class StartCalls(Calls):
    """`came`: when the run's event came, ms. To ask again changes nothing."""

    async def turn(self, function: str, key: str, member: str, most: int, period_ms: int, came: float) -> Turn:
        slot = self.keys.function_slot(function)
        answer = await self.store.run(
            _script("turn"), [slot.starts(key), slot.line(key), slot.turns(key)], [member, most, period_ms, came]
        )
        return Turn(0) if answer[0] else Turn(max(1, int(answer[1])), int(answer[2]))

    async def debounce(
        self, function: str, key: str, member: str, delay_ms: int, longest_ms: int, came: float
    ) -> Quiet:
        """longest_ms: 0 it may take for ever to be quiet."""
        slot = self.keys.function_slot(function)
        answer = await self.store.run(_script("debounce"), [slot.window(key)], [member, came, delay_ms, longest_ms])
        match answer[0]:
            case 1:
                return Quiet()
            case 2:
                return Quiet(by=answer[1].decode())
            case _:
                return Quiet(wait_ms=max(1, int(answer[1])))
