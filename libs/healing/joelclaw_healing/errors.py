"""What can go wrong with incidents.

HealingError            a fault; the message says what, where and what to do
├── IncidentUnknown     no incident has this id (or it was forgotten after its keeping time)
├── IncidentOver        an act of a person on an incident that is closed already
├── IncidentNotPaged    an acknowledgement of what no person was called for
├── IncidentContested   others moved the incident each time that we looked: try again later
└── GuardContested      the same, for a target that the guard watches
"""

from __future__ import annotations


class HealingError(Exception):
    """A fault of the healing room."""


class IncidentUnknown(HealingError):
    def __init__(self, incident: str) -> None:
        super().__init__(f"no incident {incident!r} is known")


class IncidentOver(HealingError):
    def __init__(self, incident: str, how: str) -> None:
        super().__init__(f"incident {incident} is closed already ({how})")


class IncidentNotPaged(HealingError):
    def __init__(self, incident: str, state: str) -> None:
        super().__init__(f"incident {incident} is {state}: it waits for no person, so there is nothing to acknowledge")


class IncidentContested(HealingError):
    def __init__(self, incident: str, looks: int) -> None:
        super().__init__(f"incident {incident} was moved by others during {looks} looks; try again")


class GuardContested(HealingError):
    def __init__(self, target: str, looks: int) -> None:
        super().__init__(f"target {target} was moved by others during {looks} looks; nothing was done, try again")
