"""Where the ledger's rows lie: the one place that spells their keys (the table is in `ledger.py`)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from joelclaw_bus.keys import Slot
from joelclaw_healing.incident import Incident, target_key
from joelclaw_healing.move import Charge


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    slot: Slot

    def incident(self, incident: str) -> str:
        return self.slot.key("incident", incident)

    def audit(self, incident: str) -> str:
        return self.slot.key("audit", incident)

    def current(self, domain: str, target: str) -> str:
        return self.slot.key("current", target_key(domain, target))

    def done(self, move: str) -> str:
        return self.slot.key("done", hashlib.sha256(move.encode("utf-8", "surrogateescape")).hexdigest()[:32])

    def budget(self, charge: Charge) -> str:
        return self.slot.key("budget", charge.name, target_key("budget", charge.of))

    def failing(self, group: str) -> str:
        return self.slot.key("failing", target_key("group", group))

    def outages(self, domain: str, target: str) -> str:
        return self.slot.key("outages", target_key(domain, target))

    @property
    def switch(self) -> str:
        return self.slot.key("switch")

    @property
    def pauses(self) -> str:
        return self.slot.key("pauses")

    @property
    def proven(self) -> str:
        return self.slot.key("proven")

    @property
    def storms(self) -> str:
        return self.slot.key("storms")

    def of_move(self, incident: Incident | None, move: str, charges: tuple[Charge, ...]) -> list[str]:
        """KEYS of the move script. A move without incident names the same kinds of keys and touches none."""
        name = incident.id if incident else "none"
        domain, target = (incident.domain, incident.target) if incident else ("none", "none")
        return [
            self.done(move),
            self.incident(name),
            self.audit(name),
            self.current(domain, target),
            self.slot.key("moves", "open"),
            self.slot.key("moves", "closed"),
            self.slot.key("moves", "queue"),
            self.switch,
            self.slot.outbox,
            self.slot.outbox_items,
            self.pauses,
            self.storms,
            self.failing(group_of(incident) if incident else "none"),
            self.outages(domain, target),
            *(self.budget(charge) for charge in charges),
        ]


def group_of(incident: Incident) -> str:
    """What it fails together with; its domain, if nothing else was told."""
    return incident.group or incident.domain
