"""What happens to a slot as a whole, a room a noun. One typed method a script; a caller names the room it speaks to.

| room        | about                                                             |
|-------------|-------------------------------------------------------------------|
| `events`    | publish, promote                                                  |
| `heads`     | what many slots have to do next                                   |
| `outbox`    | take, try, again, done                                            |
| `permits`   | acquire, release, wake                                            |
| `starts`    | turn, debounce                                                    |
| `groups`    | ensure, last entry, takeover, hand back, retire, housekeep        |
| `schedules` | register, tick                                                    |
"""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_bus.slot_calls.events import EventCalls, Promotion, Published, ToPublish
from joelclaw_bus.slot_calls.groups import GroupCalls, Jumped, NotClaimer, Page
from joelclaw_bus.slot_calls.heads import HeadCalls, Heads
from joelclaw_bus.slot_calls.outbox import OutboxCalls, Taken
from joelclaw_bus.slot_calls.permits import Permit, PermitCalls
from joelclaw_bus.slot_calls.schedules import Early, Schedule, ScheduleCalls, Superseded
from joelclaw_bus.slot_calls.starts import Quiet, StartCalls, Turn

__all__ = [
    "Early",
    "EventCalls",
    "GroupCalls",
    "HeadCalls",
    "Heads",
    "Jumped",
    "NotClaimer",
    "OutboxCalls",
    "Page",
    "Permit",
    "PermitCalls",
    "Promotion",
    "Published",
    "Quiet",
    "Schedule",
    "ScheduleCalls",
    "SlotCalls",
    "StartCalls",
    "Superseded",
    "Taken",
    "ToPublish",
    "Turn",
]


@dataclass(frozen=True, slots=True)
class SlotCalls(EventCalls, HeadCalls, OutboxCalls, PermitCalls, StartCalls, GroupCalls, ScheduleCalls):
    """All rooms in one hand, for a worker."""
