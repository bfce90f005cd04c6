"""The one window: the bus tells an Observer what happened. Metrics count it, tests wait on it, evidence keeps it.

Every fact is a frozen dataclass; `Fact` is their closed union. An observer must be quick and must not raise: it is
called between two store calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A handler begins. `begins` counts begins without an end, from the second delivery on."""

    function: str
    run: str
    event: str
    attempt: int
    begins: int
    traceparent: str


@dataclass(frozen=True, slots=True)
class StepRecorded:
    function: str
    run: str
    step: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunParked:
    """`state`: `due` (a sleep or a retry) or `held` (no permit)."""

    function: str
    run: str
    state: str
    due_ms: int


@dataclass(frozen=True, slots=True)
class RunRetried:
    function: str
    run: str
    attempt: int
    due_ms: int
    error: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """`status`: `completed`, `failed` or `skipped`."""

    function: str
    run: str
    event: str
    status: str
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class DuplicateDropped:
    """A second entry for a run that is open or ended: acknowledged, not run."""

    function: str
    run: str


@dataclass(frozen=True, slots=True)
class EventBuried:
    """An entry that does not validate, or a poison, went to the dead letters. `first`: nobody had buried it."""

    function: str
    event: str
    entry: str
    error: str
    first: bool


@dataclass(frozen=True, slots=True)
class UnknownFields:
    event: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WriteRefused:
    """A stale worker tried to write: its claim or its lease was no longer its own."""

    function: str
    run: str
    operation: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerFault:
    """A defect of the bus itself met this entry: nothing was settled, it comes again and is counted."""

    function: str
    entry: str
    error: str


@dataclass(frozen=True, slots=True)
class LeaseLost:
    function: str
    run: str


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Work of a dead consumer was claimed. `lost`: entries that were deleted while pending, so their work is lost."""

    function: str
    stream: str
    entries: int
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Promoted:
    slot: str
    count: int
    late_ms: int


@dataclass(frozen=True, slots=True)
class OutboxDelivered:
    slot: str
    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class OutboxUndeliverable:
    """An item that can't be sent (again): older than the target's dedupe window, refused by its model, or lost."""

    slot: str
    item: str
    reason: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """One thing that the store refuses, or that can't be read, while all else goes on: it stays where it is and is
    tried again. Told once; `slot` is '' where it is no slot's."""

    slot: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unstuck:
    """What was told as Stuck is over: it succeeded, or is no longer there."""

    slot: str
    what: str


@dataclass(frozen=True, slots=True)
class TickEnqueued:
    function: str
    schedule: str
    nominal_ms: int
    late_ms: int


@dataclass(frozen=True, slots=True)
class Trimmed:
    slot: str
    entries: int


@dataclass(frozen=True, slots=True)
class StreamLost:
    """A stream or group was gone and is made anew, or came back with older data: data was lost. `resumed_at`: the mark
    it goes on from, or the newest entry that is left."""

    function: str
    stream: str
    resumed_at: str


@dataclass(frozen=True, slots=True)
class AuditFound:
    """The store did not keep a promise (keys were lost or altered): what the auditor found, by rule (audit/judge.py).

    names: runs, events, items or keys. remedy: `repaired`; `lost` (ended, or no longer missed: it can't be made anew);
    `left` as it is (told once).
    """

    slot: str
    rule: str
    names: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class WaitEnded:
    """An event came that a run waits for, and the run took it."""

    run: str
    event: str
    entry: str


@dataclass(frozen=True, slots=True)
class StoreTrouble:
    """The store did not answer, or refused everything. Told once per spell, and `StoreBack` ends it."""

    where: str
    doing: str
    error: str


@dataclass(frozen=True, slots=True)
class StoreBack:
    where: str
    after_seconds: float


@dataclass(frozen=True, slots=True)
class Discontinuity:
    """The store's server or clock jumped: owners renew first, nobody takes over for one lease."""

    where: str
    reason: str


Fact = (
    RunStarted
    | StepRecorded
    | RunParked
    | RunRetried
    | RunEnded
    | DuplicateDropped
    | EventBuried
    | UnknownFields
    | WriteRefused
    | WorkerFault
    | LeaseLost
    | TakenOver
    | Promoted
    | OutboxDelivered
    | OutboxUndeliverable
    | Stuck
    | Unstuck
    | TickEnqueued
    | Trimmed
    | StreamLost
    | AuditFound
    | WaitEnded
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
