"""One function's group on one slot, driven by hand, script by script."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from joelclaw_bus import Store
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.keys import Slot
from joelclaw_bus.run_calls import Begun, Dropped, Poisoned, Refused, RunCalls, WentOn
from joelclaw_bus.slot_calls import SlotCalls

FN = "test/fn"


@dataclass
class Bench:
    """One function's group on one slot, driven by hand."""

    store: Store
    slot: Slot
    runs: RunCalls
    calls: SlotCalls

    async def read(self, consumer: str) -> Delivery:
        answer = await self.store.call(
            "XREADGROUP", "GROUP", FN, consumer, "COUNT", 1, "STREAMS", self.slot.stream, self.slot.ready(FN), ">", ">"
        )
        stream, entries = answer[0]
        ready = stream.decode() != self.slot.stream
        entry = entries[0][0].decode()
        run = entries[0][1][1].decode() if ready else f"{FN}:{entry}"
        return Delivery(self.slot, FN, consumer, entry, run, secrets.token_hex(4), ready)

    async def steal(self, d: Delivery, consumer: str) -> Delivery:
        """What a takeover does: the entry is the other consumer's, delivered once more."""
        await self.store.call("XCLAIM", d.source, FN, consumer, 0, d.entry)
        return Delivery(self.slot, FN, consumer, d.entry, d.run, secrets.token_hex(4), d.ready)

    async def begin(self, d: Delivery) -> Begun | Dropped | Poisoned | Refused:
        return await self.runs.begin(d, explicit_id="", record_wanted=False)

    async def park(self, d: Delivery, **how: int) -> int | WentOn | Refused:
        return await self.runs.park(d, state="due", channel="nudges", **how)  # type: ignore[arg-type]  # numbers only
