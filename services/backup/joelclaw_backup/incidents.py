"""Which incident a stored backup ends: the one that is open for its target. The router closes it on our word, which it
believes for the record of the proven set that is noted here."""

from __future__ import annotations

from typing import Any

from joelclaw_bus.store import Store
from joelclaw_healing import Ledger, Proof

DOMAIN = "backup"


async def note_proven(store: Store, target: str, artefact: str) -> dict[str, Any] | None:
    """Once the set is stored and verified. {"id", "reopened", "attempt"} of the target's incident; None if nothing is
    wrong with it. BusError."""
    ledger = Ledger(store)
    look = await ledger.look(DOMAIN, target)
    incident = look.incident if look.incident is not None and not look.incident.is_over else None
    of = (incident.id, incident.reopened) if incident else ("", 0)
    await ledger.prove(target, Proof(artefact, *of, look.now))
    return {"id": incident.id, "reopened": incident.reopened, "attempt": incident.attempt} if incident else None
