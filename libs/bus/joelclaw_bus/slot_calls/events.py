"""Events come onto a stream: at once, or when they are due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from joelclaw_bus.errors import BusError
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
class ToPublish:
    """An event as it goes onto its stream: at `at_ms` of the server's clock (then it needs an id), or now."""

    fields: Mapping[bytes, bytes]
    event_id: str = ""
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class EventCalls(Calls):
    async def publish(
        self, slot: Slot, fields: Mapping[bytes, bytes], *, event_id: str = "", at_ms: int = 0, longest: int = 0
    ) -> Published:
        """Append an event now, or when it is due (then it needs an id)."""
        (answer,) = await self.publish_each(slot, [ToPublish(fields, event_id, at_ms)], longest=longest)
        if isinstance(answer, BusError):
            raise answer
        return answer

    async def publish_each(
        self, slot: Slot, events: Sequence[ToPublish], *, longest: int = 0
    ) -> list[Published | BusError]:
        """Append some, in their order, in one step. What is refused of them is an error in its place."""
        words: list[Arg] = [self.limits.dedupe_ms, self.keys.nudges, slot.name, longest]
        for e in events:
            words += (e.event_id, e.at_ms, 2 * len(e.fields))
            for pair in e.fields.items():
                words += pair
        answers = await self.store.run_each(
            _script("publish"), [slot.stream, slot.ids, slot.due, slot.due_items], words
        )
        return [_published(answer) for answer in answers]

    async def promote(self, slot: Slot) -> Promotion:
        """Move at most a hundred of what is due."""
        moved, now, head, late = await self.store.run(
            _script("promote"),
            [slot.due, slot.due_items, slot.stream, slot.ids],
            [DUE_PER_PROMOTION, self.limits.dedupe_ms],
        )
        return Promotion(moved, now, None if head < 0 else head, late)


def _published(answer: Any) -> Published | BusError:
    if isinstance(answer, BusError):
        return answer
    entry, duplicate = answer
    return Published(None if entry == b"due" else entry.decode(), bool(duplicate))
