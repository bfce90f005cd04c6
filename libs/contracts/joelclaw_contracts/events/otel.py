"""Evidence: what a function did, searchable with `joelclaw otel search`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from joelclaw_contracts.event import EventModel
from joelclaw_contracts.fields import Count, Duration, Flag, JsonObject, Name, Text

Level = Literal["debug", "info", "warn", "error", "fatal"]


class OtelEvent(EventModel):
    """One piece of evidence. The wire names are the predecessor's: `sessionId` beside `duration_ms`."""

    event_name: ClassVar[str] = "otel/event"
    told: ClassVar[bool] = True

    id: Name
    """Unique; also the entry's id."""
    timestamp: Count
    """When it happened, ms since 1970 UTC."""
    session_id: Name
    """The process incarnation that says it."""
    system_id: Name
    """The machine or deployment that it runs on."""
    level: Level
    """How bad; degraded but not critical is `warn` with `success` true."""
    source: Name
    """The service."""
    component: Name
    """The part of it, or the function."""
    action: Name
    """What was done; the word that people search for."""
    success: Flag
    """False only for what should page."""
    duration_ms: Duration | None = Field(default=None, alias="duration_ms")
    """How long it took, ms."""
    error: Text | None = None
    """What went wrong."""
    metadata: JsonObject
    """The rule, the incident, the attempt and all else that explains it."""
