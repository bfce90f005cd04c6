"""What many slots have to do next, in one round trip: the sweep asks this before it gives any of them a turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joelclaw_bus.keys import Slot
from joelclaw_bus.slot_calls.base import Calls
from joelclaw_bus.store import Command


@dataclass(frozen=True, slots=True)
class Heads:
    """When a slot's earliest is due, and when its outbox has something to deliver: ms of the server's time, None for
    nothing (or not asked). What can't be read is 0: whoever acts on it is told why."""

    due_ms: float | None
    outbox_ms: float | None


@dataclass(frozen=True, slots=True)
class HeadCalls(Calls):
    async def heads(self, node: str, slots: Sequence[Slot], *, outboxes: bool) -> tuple[float, list[Heads]]:
        """Of slots that this node serves; with its time. StoreUnavailable, StoreRefused."""
        keys = [slot.due for slot in slots] + [slot.outbox for slot in slots if outboxes]
        asked: list[Command] = [("TIME",), *(("ZRANGE", key, 0, 0, "WITHSCORES") for key in keys)]
        time, *firsts = await self.store.calls(asked, node=node)
        if isinstance(time, Exception):
            raise time
        found = [_first_ms(reply) for reply in firsts]
        due, outbox = found[: len(slots)], found[len(slots) :] or [None] * len(slots)
        heads = [Heads(*both) for both in zip(due, outbox, strict=True)]
        return int(time[0]) * 1000 + int(time[1]) / 1000, heads


def _first_ms(reply: object) -> float | None:
    match reply:
        case []:
            return None
        case [_, score] if isinstance(score, bytes | str | float | int):
            return float(score)
        case _:
            return 0.0
