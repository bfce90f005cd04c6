"""Events come onto a stream: at once, or when they are due."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from joelclaw_bus.keys import Slot
from joelclaw_bus.script import load_script
from joelclaw_bus.slot_calls.base import Calls
from joelclaw_bus.store import Arg

_script = partial(load_script, "joelclaw_bus")
DUE_PER_PROMOTION = 100


@dataclass(frozen=True, slots=True)
class Published:
    """`entry` is None while the event waits to be due; `duplicate`: the id was known, nothing was appended."""

    entry: str | None
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Promotion:
    """Times are the server's, ms; `head_ms` is None when nothing is left to wait for."""

    moved: int
    now_ms: int
    head_ms: int | None
    late_ms: int


@dataclass(frozen=True, slots=True)
class EventCalls(Calls):
    async def publish(
        self, slot: Slot, fields: dict[bytes, bytes], *, event_id: str = "", at_ms: int = 0, longest: int = 0
    ) -> Published:
        """Append an event now, or when it is due (then it needs an id)."""
        flat: list[Arg] = [part for pair in fields.items() for part in pair]
        entry, duplicate, _ = await self.store.run(
            _script("publish"),
            [slot.stream, slot.ids, slot.due, slot.due_items],
            [event_id, at_ms, self.limits.dedupe_ms, self.keys.nudges, slot.name, longest, *flat],
        )
        return Published(None if entry == b"due" else entry.decode(), bool(duplicate))

    async def promote(self, slot: Slot) -> Promotion:
        """Move at most a hundred of what is due."""
        moved, now, head, late = await self.store.run(
            _script("promote"),
            [slot.due, slot.due_items, slot.stream, slot.ids],
            [DUE_PER_PROMOTION, self.limits.dedupe_ms],
        )
        return Promotion(moved, now, None if head < 0 else head, late)
