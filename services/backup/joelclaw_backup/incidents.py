"""Which incident a stored backup ends: the one that is open for its target. The router closes it on our word."""

from __future__ import annotations

from typing import Any

from joelclaw_bus.store import Store
from joelclaw_healing import Ledger

DOMAIN = "backup"


async def open_incident(store: Store, target: str) -> dict[str, Any] | None:
    """{"id", "reopened", "attempt"} of the target's incident; None if nothing is wrong with it. BusError."""
    incident = (await Ledger(store).look(DOMAIN, target)).incident
    if incident is None or incident.is_over:
        return None
    return {"id": incident.id, "reopened": incident.reopened, "attempt": incident.attempt}
