"""One slot's share of a pass: its open runs, what waits in its due index and outbox, its groups and ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from joelclaw_bus.audit.calls import END, AuditCalls
from joelclaw_bus.audit.facts import RunSeen, SlotSeen
from joelclaw_bus.audit.judge import (
    Finding,
    judge_due,
    judge_due_body,
    judge_item,
    judge_item_body,
    judge_run,
    judge_slot,
)
from joelclaw_bus.audit.told import Told
from joelclaw_bus.audit.waits import WaitAudit
from joelclaw_bus.keys import Slot
from joelclaw_bus.observer import AuditFound, Observer

MARK = "start:"


@dataclass
class Pages:
    """Reads one page at a time, repairs what it finds, and tells it. Cursors are kept from turn to turn."""

    calls: AuditCalls
    observer: Observer
    waits: WaitAudit
    told: Told = field(default_factory=Told)
    _runs: dict[str, str] = field(default_factory=dict)
    _waits: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    async def runs(self, slot: Slot) -> bool:
        """A page of the open runs; whether this was the last one of a pass."""
        cursor, seen = await self.calls.runs(slot, self._runs.get(slot.name, END))
        self._runs[slot.name] = cursor  # at once: what the store refuses of this page must not hide those behind it
        await self.judge_runs(slot, "open", seen)
        if any(r.state == "waiting" for r in seen):
            self.tell(slot.name, "open", await self.waits.look(slot, seen, await self.calls.store.time_ms()))
        if cursor == END:
            self.told.passed((slot.name, "open"))
            self.waits.passed(slot)
        return cursor == END

    async def judge_runs(self, slot: Slot, place: str, seen: Sequence[RunSeen]) -> None:
        found = []
        for r in seen:
            finding = judge_run(r)
            if finding and (not finding.repair or await self.calls.mend(slot, r, finding)):
                found.append(finding)
        self.tell(slot.name, place, found)

    async def due(self, slot: Slot) -> bool:
        return await self._page(slot, "due", slot.due, slot.due_items, "e:")

    async def outbox(self, slot: Slot) -> bool:
        return await self._page(slot, "outbox", slot.outbox, slot.outbox_items, "")

    async def _page(self, slot: Slot, kind: str, index: str, bodies: str, prefix: str) -> bool:
        """A page of an index and one of its bodies; whether both have come to their end."""
        cursors = self._waits.get((slot.name, kind), (END, END))
        page = await self.calls.pending(index, bodies, kind, *cursors)
        self._waits[slot.name, kind] = page.cursor, page.body_cursor
        found = []
        for w in page.members:
            due = kind == "due"
            finding = judge_due(w) if due else judge_item(w, page.now_ms, self.calls.limits.dedupe_ms)
            body = "" if w.member.startswith("r:") and due else w.member.removeprefix(prefix)
            if finding and await self._mend(slot, index, bodies, w.member, body, finding):
                found.append(finding)
        for b in page.bodies:
            finding = judge_due_body(b) if kind == "due" else judge_item_body(b)
            if finding and await self._mend(slot, index, bodies, prefix + b.id, b.id, finding):
                found.append(finding)
        self.tell(slot.name, kind, found)
        ended = (page.cursor, page.body_cursor) == (END, END)
        if ended:
            self.told.passed((slot.name, kind))
        return ended

    async def _mend(self, slot: Slot, index: str, bodies: str, member: str, body: str, finding: Finding) -> bool:
        return not finding.repair or await self.calls.mend_pending(slot, index, bodies, member, body, finding)

    async def slot(self, slot: Slot, functions: frozenset[str]) -> bool:
        """Groups, marks and ids. What is lost here can't be made anew: it is named, and no longer missed."""
        seen: SlotSeen = await self.calls.slot(slot)
        found = []
        for finding in judge_slot(seen, functions):
            if finding.repair == "mark":
                mended = await self.calls.store.call("HSETNX", slot.marks, MARK + finding.name, "0-0")
            elif finding.repair == "forget-all":
                mended = await self.calls.forget_lost_ids(slot)
            else:
                mended = await self.calls.store.call("ZREM", slot.ids, finding.name)
            found += [finding] if mended else []
        self.tell(slot.name, "slot", found)
        return True

    def tell(self, slot: str, place: str, found: Sequence[Finding]) -> None:
        """One fact a rule and remedy; what stays as it is, once."""
        news = [f for f in found if f.remedy != "left" or self.told.is_news((slot, place), f"{f.rule} {f.name}")]
        for rule, remedy in dict.fromkeys((f.rule, f.remedy) for f in news):
            names = tuple(f.name for f in news if (f.rule, f.remedy) == (rule, remedy))
            self.observer.saw(AuditFound(slot, rule, names, remedy))
