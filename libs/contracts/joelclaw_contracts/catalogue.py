"""Every event by its name, the routes that a retry may take, and the answer to what can't be read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from . import strict_json
from .event import EventModel
from .events import (
    EVERY_DOMAIN,
    BackupFailureDetected,
    BackupRetryRequested,
    BackupRunRequested,
    HealingCompleted,
    HealingRequested,
    HealthCheckRequested,
    OtelEvent,
    RuntimeHealthRequested,
    SendMessage,
)
from .names import nearest, normal_id

_EVENTS: tuple[type[EventModel], ...] = (
    HealingRequested,
    HealingCompleted,
    BackupFailureDetected,
    BackupRetryRequested,
    BackupRunRequested,
    HealthCheckRequested,
    RuntimeHealthRequested,
    SendMessage,
    OtelEvent,
)

CATALOGUE: Mapping[str, type[EventModel]] = MappingProxyType({model.event_name: model for model in _EVENTS})
"""Model by event name."""

KNOWN_ROUTES: frozenset[str] = frozenset(name for name in CATALOGUE if name.endswith(".requested"))
"""The events that a retry may send without configuration: those that ask for work.

Answers, detected failures, evidence and messages are statements of fact; a payload that could name them as
its route could forge them. Configuration (`routes.allowed`) can add any event."""


def model_for(event_name: str) -> type[EventModel] | None:
    """The event's model; None for an event that the suite doesn't know."""
    return CATALOGUE.get(event_name)


def nearest_event(event_name: str) -> str | None:
    """The known event whose name is nearest, for a message; None if none is near."""
    return nearest(event_name, CATALOGUE)


def answer_invalid(event_name: str, raw: bytes | str, error: Exception | str, event_id: str) -> HealingCompleted | None:
    """The one answer to a healing request that does not validate; None for every other event.

    Says what could still be read of it (domain, else `all`; requester; target) and the one-line error.
    Never raises for anything that `raw` holds; `event_id` must not be blank.
    """
    if event_name != HealingRequested.event_name:
        return None
    wire = _readable(raw)
    return HealingCompleted(
        domain=_name(wire.get("domain")) or EVERY_DOMAIN,
        status="invalid",
        detected=1,
        inspected=1,
        event_id=normal_id(event_id),
        source_function=_name(wire.get("sourceFunction")),
        target_component=_name(wire.get("targetComponent")),
        reason=str(error).strip() or "the payload does not validate",
    )


def _readable(raw: bytes | str) -> dict[str, Any]:
    try:
        wire = strict_json.loads(raw)
    except strict_json.NotStrictJson:
        return {}
    return wire if isinstance(wire, dict) else {}


def _name(value: object) -> str | None:
    """The value if it would pass as a name; a stranger's megabyte does not travel on in an answer."""
    return value if isinstance(value, str) and value.strip() and len(value) <= 1000 else None
