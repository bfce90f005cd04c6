"""What a schedule enqueues, instant by instant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from joelclaw_bus.keys import Slot
from joelclaw_bus.script import load_script
from joelclaw_bus.slot_calls.base import Calls
from joelclaw_bus.store import Arg

_script = partial(load_script, "joelclaw_bus")


@dataclass(frozen=True, slots=True)
class Schedule:
    """`first_us`: when its scheduler first registered; `ours`: whether the caller's expression stands; `lost`: the
    store had forgotten it, and it goes on from what the caller knew."""

    generation: int
    mark_ms: int
    now_ms: int
    first_us: int
    ours: bool
    lost: bool


@dataclass(frozen=True, slots=True)
class Early:
    """That instant has not come yet by the server's clock."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """The schedule has another generation than the caller's; 0: it was lost and has none."""

    generation: int


@dataclass(frozen=True, slots=True)
class ScheduleCalls(Calls):
    async def register_schedule(
        self,
        slot: Slot,
        schedule: str,
        expression: str,
        *,
        generation: int = 0,
        mark_ms: int = 0,
        first_us: int = 0,
        silent_ms: int,
    ) -> Schedule:
        """The schedule as it is from now on; `generation`, `mark_ms`, `first_us`: what a running scheduler knew of it.

        silent_ms: another's expression that nobody stood for so long is replaced.
        """
        args: list[Arg] = [schedule, expression, generation, mark_ms, first_us, silent_ms]
        generation, mark, now, first, ours, lost = await self.store.run(_script("register_schedule"), [slot.cron], args)
        return Schedule(generation, mark, now, first, bool(ours), bool(lost))

    async def tick(
        self, slot: Slot, schedule: str, generation: int, nominal_ms: int, fields: dict[bytes, bytes] | None
    ) -> bool | Early | Superseded:
        """Enqueue one instant (`fields` None: only pass it); whether this call did, or it had been done."""
        flat: list[Arg] = [part for pair in (fields or {}).items() for part in pair]
        answer = await self.store.run(
            _script("tick"),
            [slot.stream, slot.cron],
            [schedule, generation, nominal_ms, int(fields is None), *flat],
        )
        if isinstance(answer[0], bytes):
            return True
        if answer[0] == -1:
            return Superseded(answer[1])
        return Early() if answer[1] < nominal_ms else False
