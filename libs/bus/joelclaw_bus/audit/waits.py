"""Runs that wait for an event whose slot does not know of them: only their time-out would ever wake them.

The wait lies in another slot, so a verdict counts only when it has held for a while. What is left of it is taken away
and its run is woken: it finds its wait not over, and registers it again with its look back, so nothing is missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from joelclaw_bus.audit.calls import AuditCalls
from joelclaw_bus.audit.facts import RunSeen
from joelclaw_bus.audit.judge import Finding
from joelclaw_bus.audit.told import Confirmed
from joelclaw_bus.awaited import Wait
from joelclaw_bus.inspect.replies import sound
from joelclaw_bus.keys import Slot
from joelclaw_contracts import NameInvalid


@dataclass
class WaitAudit:
    """patience_ms: for how long a wait must be unknown to the slot of its event."""

    calls: AuditCalls
    patience_ms: int
    _confirmed: dict[str, Confirmed] = field(default_factory=dict)

    async def look(self, slot: Slot, seen: Sequence[RunSeen], now_ms: int) -> list[Finding]:
        """Those of a page that wait in vain, each woken."""
        confirmed = self._confirmed.setdefault(slot.name, Confirmed(self.patience_ms))
        found = []
        for r in seen:
            for event, part in r.awaited if r.state == "waiting" else ():
                wait = f"{slot.name}|{r.run}:{part}"
                if await self._is_known(slot, event, wait) or not confirmed.holds(wait, now_ms):
                    continue
                finding = Finding("wait-lost", r.run, "repaired", "rest")
                await self.calls.mend_waits(self.calls.keys.slot(event), wait)
                if await self.calls.mend(slot, r, finding):
                    found.append(finding)
                break
        return found

    def passed(self, slot: Slot) -> None:
        if slot.name in self._confirmed:
            self._confirmed[slot.name].passed()

    async def _is_known(self, slot: Slot, event: str, wait: str) -> bool:
        """Whether the awaited slot has the wait, and all by which it is found; or its registration is on its way."""
        try:
            there = self.calls.keys.slot(event)
        except NameInvalid:
            return True  # no slot can have it: its time-out ends it
        on_its_way, body = await self.calls.store.calls(
            [("HEXISTS", slot.outbox_items, f"await:{wait}"), ("HGET", there.wait_items, wait)]
        )
        if sound(on_its_way):
            return True
        try:
            kept = Wait.decode(sound(body) or b"")
        except ValueError:
            return False
        replies = await self.calls.store.calls(
            [
                ("ZSCORE", there.waits, wait),
                ("ZSCORE", there.wait_index, f"{kept.key}:{wait}"),
                ("HGET", there.wait_forms, kept.form),
            ]
        )
        return all(sound(reply) is not None for reply in replies)
