"""What a slot owes to others: items are taken, tried and done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from joelclaw_bus.keys import Slot
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.script import load_script
from joelclaw_bus.slot_calls.base import Calls
from joelclaw_bus.store import Arg

_script = partial(load_script, "joelclaw_bus")
ITEMS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Taken:
    """Items to deliver now, each with how often it was tried before; of the `unreadable` their ids, raw, and why;
    `lost`: ids of those without a body."""

    now_ms: int
    head_ms: int | None
    items: list[tuple[OutboxItem, int]]
    unreadable: list[tuple[bytes, str]]
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OutboxCalls(Calls):
    async def outbox_take(self, slot: Slot, hold_ms: int) -> Taken:
        now, head, *rest = await self.store.run(
            _script("outbox_take"), [slot.outbox, slot.outbox_items], [ITEMS_AT_ONCE, hold_ms]
        )
        taken = Taken(now, None if head < 0 else head, [], [])
        for name, raw, tries in zip(*[iter(rest)] * 3, strict=True):
            if not raw:
                taken.lost.append(name.decode("utf-8", "replace"))
                continue
            try:
                item = OutboxItem.decode(raw)
                if item.id.encode("utf-8", "surrogatepass") != name:
                    raise ValueError(f"it lies under another name than its own, {item.id!r}")
                taken.items.append((item, tries))
            except ValueError as error:  # anyone may have written it: it must not stop those behind it
                taken.unreadable.append((name, str(error)))
        return taken

    async def outbox_try(self, slot: Slot, item: str | bytes) -> int:
        """Count a try, before it is made; 0 when the item is gone."""
        return int(await self.store.run(_script("outbox_try"), [slot.outbox_items], [item]))

    async def outbox_again(self, slot: Slot, hold_ms: int, unsent: Sequence[str], others: Sequence[str]) -> int:
        """These met a store that was full (`unsent`) or away: they come again after one hold. How many there are."""
        args: list[Arg] = [hold_ms, len(unsent), *unsent, *others]
        return int(await self.store.run(_script("outbox_again"), [slot.outbox, slot.outbox_items], args))

    async def outbox_done(self, slot: Slot, ids: Sequence[str]) -> None:
        await self.store.run(_script("outbox_done"), [slot.outbox, slot.outbox_items], list(ids))
