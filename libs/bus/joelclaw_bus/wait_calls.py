"""Waits in the store: registered and matched in the awaited slot, answered in the run's. One typed method a script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from joelclaw_bus.awaited import Wait
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.keys import WAITS_GROUP, Slot
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.run_calls import Refused
from joelclaw_bus.script import load_script
from joelclaw_bus.store import Arg, Store

_script = partial(load_script, "joelclaw_bus")
ENTRIES_PER_LOOK = 500
BYTES_PER_LOOK = 1024 * 1024
WAITS_PER_MATCH = 100


@dataclass(frozen=True, slots=True)
class Found:
    """The entry that a look back came upon."""

    entry: str
    fields: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Matches:
    """A page of the waits that an entry ends, by id; `next` names where to go on, None: these were all."""

    waits: list[tuple[str, bytes]]
    next: tuple[bytes, bytes] | None


@dataclass(frozen=True, slots=True)
class WaitCalls:
    store: Store

    async def look(self, slot: Slot, wait: Wait, *, since: str, to: str = "+", register: bool) -> Found | str:
        """One page of the look back, which can register the wait as well; else where to look on, '' nowhere."""
        answer = await self.store.run(
            _script("await"),
            self._keys(slot),
            [wait.id, wait.encode(), wait.ends_ms, since, to, int(register), ENTRIES_PER_LOOK, BYTES_PER_LOOK],
        )
        if answer[0] == 1:
            flat = answer[2]
            return Found(answer[1].decode(), dict(zip(flat[::2], flat[1::2], strict=True)))
        return str(answer[1].decode())

    async def match(
        self, slot: Slot, consumer: str, entry: str, at: tuple[bytes, bytes] = (b"", b""), most: int = WAITS_PER_MATCH
    ) -> Matches:
        """A page of what an entry ends. An entry that ends nothing is acknowledged by this."""
        form, place, *rest = await self.store.run(
            _script("match"), self._keys(slot), [WAITS_GROUP, consumer, entry, most, *at]
        )
        waits = [(name.decode("utf-8", "replace"), raw) for name, raw in zip(rest[::2], rest[1::2], strict=True)]
        return Matches(waits, (form, place) if form else None)

    async def guard(self, d: Delivery, events: Sequence[str], items: Sequence[OutboxItem]) -> Refused | None:
        """Note what cancels a run, fenced by its claim, and put the registrations of its waits into its outbox."""
        keys = [d.source, d.slot.run(d.run), d.slot.outbox, d.slot.outbox_items]
        words: list[Arg] = [part for item in items for part in (item.id, item.encode())]
        answer = await self.store.run(_script("guard"), keys, [*d.head[:4], json.dumps(list(events)), *words])
        return None if answer[0] == 1 else Refused(answer[1].decode())

    async def unwait(self, slot: Slot, ids: Sequence[str], *, consumer: str = "", entry: str = "") -> int:
        """Take waits away, and let go of the entry that ended them; how many there were."""
        return int(await self.store.run(_script("unwait"), self._keys(slot), [WAITS_GROUP, consumer, entry, *ids]))

    async def arrive(self, slot: Slot, wait: Wait, arrival: bytes) -> Literal[0, 1, 2, 3]:
        """Tell a run of what it waits for: 3 it waits for another one, 2 it goes on, 1 noted, 0 it does not wait for
        this."""
        answer: Literal[0, 1, 2, 3] = await self.store.run(
            _script("arrive"),
            [slot.run(wait.run), slot.due, slot.ready(wait.function), slot.outbox, slot.outbox_items],
            [wait.run, wait.step, wait.number, arrival, wait.run_key],
        )
        return answer

    def _keys(self, slot: Slot) -> list[str]:
        return [slot.stream, slot.waits, slot.wait_items, slot.wait_index, slot.wait_forms]
