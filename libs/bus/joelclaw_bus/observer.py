"""The one window: the bus tells an Observer what happened. Metrics count it, tests wait on it, evidence keeps it.

Every fact is a frozen dataclass in `facts`; `Fact` is their closed union. An observer must be quick and must not raise:
it is called between two store calls.
"""

from __future__ import annotations

from typing import Protocol

from joelclaw_bus.facts.events import (
    EventBuried,
    OutboxDelivered,
    OutboxUndeliverable,
    Promoted,
    TickEnqueued,
    Trimmed,
    UnknownFields,
)
from joelclaw_bus.facts.runs import (
    Debounced,
    DuplicateDropped,
    LeaseLost,
    RunCancelled,
    RunEnded,
    RunParked,
    RunRetried,
    RunStarted,
    StepRecorded,
    TakenOver,
    WaitEnded,
    WriteRefused,
)
from joelclaw_bus.facts.troubles import (
    AuditFound,
    Discontinuity,
    StoreBack,
    StoreTrouble,
    StreamLost,
    Stuck,
    Unstuck,
    WorkerFault,
)

__all__ = [
    "AuditFound",
    "Debounced",
    "Discontinuity",
    "DuplicateDropped",
    "EventBuried",
    "Fact",
    "LeaseLost",
    "Observer",
    "OutboxDelivered",
    "OutboxUndeliverable",
    "Promoted",
    "RunCancelled",
    "RunEnded",
    "RunParked",
    "RunRetried",
    "RunStarted",
    "StepRecorded",
    "StoreBack",
    "StoreTrouble",
    "StreamLost",
    "Stuck",
    "TakenOver",
    "TickEnqueued",
    "Trimmed",
    "UnknownFields",
    "Unobserved",
    "Unstuck",
    "WaitEnded",
    "WorkerFault",
    "WriteRefused",
]

Fact = (
    RunStarted
    | StepRecorded
    | RunCancelled
    | RunParked
    | RunRetried
    | RunEnded
    | WaitEnded
    | Debounced
    | DuplicateDropped
    | WriteRefused
    | LeaseLost
    | TakenOver
    | EventBuried
    | UnknownFields
    | Promoted
    | OutboxDelivered
    | OutboxUndeliverable
    | TickEnqueued
    | Trimmed
    | WorkerFault
    | Stuck
    | Unstuck
    | StreamLost
    | AuditFound
    | StoreTrouble
    | StoreBack
    | Discontinuity
)


class Observer(Protocol):
    def saw(self, fact: Fact) -> None:
        """Something happened. Quick, and never raises."""


class Unobserved:
    """Nobody watches."""

    def saw(self, fact: Fact) -> None:
        del fact
