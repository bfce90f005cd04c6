"""The router's own events. Nobody else reads or sends them; they are no part of the contract.

| event                     | says                                                        |
|---------------------------|-------------------------------------------------------------|
| `healing/incident.due`    | a moment of an incident has come                            |
| `healing/storm.seen`      | too many targets of a group fail together                   |
| `healing/storm.due`       | look whether a storm is over                                |
"""

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


class StormSeen(EventModel):
    """Many targets of one group fail together."""

    event_name: ClassVar[str] = "healing/storm.seen"

    group: str
    """Which group."""


class StormDue(EventModel):
    """Look whether a storm is over."""

    event_name: ClassVar[str] = "healing/storm.due"

    incident_id: str
    """The storm's incident."""
    group: str
    """Its group."""
    watch: str
    """Under which watch; an older one is nobody's."""
