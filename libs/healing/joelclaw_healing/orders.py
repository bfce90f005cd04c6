"""What persons say to the router, as events: the command sends them, the router alone reads them.

| event                       | says                                                                    |
|-----------------------------|-------------------------------------------------------------------------|
| `healing/incident.approved` | a person allows the retry that was asked about; a run waits for it       |
| `healing/incident.ordered`  | a person wants the incident's last request retried now                  |

`actor` is what the event says: nothing authenticates it. Who may write these streams is the store's ACL's affair
(docs/security.md).
"""

from __future__ import annotations

from typing import ClassVar

from joelclaw_contracts import EventModel


class IncidentApproved(EventModel):
    """A person allows a retry."""

    event_name: ClassVar[str] = "healing/incident.approved"

    incident_id: str
    """Which incident."""
    approval: str
    """What was asked: the incident's `approval`."""
    actor: str
    """Who allows it: the store's ACL user, else the user of the machine."""
    reason: str = ""
    """Why."""


class IncidentOrdered(EventModel):
    """A person wants a retry now."""

    event_name: ClassVar[str] = "healing/incident.ordered"

    incident_id: str
    """Which incident."""
    actor: str
    """Who wants it."""
    reason: str = ""
    """Why."""


def same_person(one: str, other: str) -> bool:
    """Whether two names are of one person: an OS user is `name@host` to us, and plain `name` to others."""
    first, second = (name.strip().casefold().partition("@")[0] for name in (one, other))
    return bool(first) and first == second
