"""The router's own event: a moment of an incident has come. Nobody else reads it; it is no part of the contract."""

from __future__ import annotations

from typing import ClassVar

from joelclaw_contracts import EventModel


class IncidentDue(EventModel):
    """Look at this incident now: its deadline is reached, or an act of it that waited for long."""

    event_name: ClassVar[str] = "healing/incident.due"

    incident_id: str
    """Which incident."""
    deadline_ms: int | None = None
    """The deadline that is reached, ms since the epoch; absent if it is about an act."""
    decision: str | None = None
    """The decision whose act is due; absent if it is about a deadline."""
