"""What a handler gets: one event, its payload read into its model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from joelclaw_contracts import EventModel

M = TypeVar("M", bound=EventModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Event(Generic[M]):
    """`id`: the producer's, or else the entry's own; `ts_ms`: when it was made, by its producer's clock."""

    name: str
    id: str
    entry: str
    ts_ms: int
    source: str
    traceparent: str
    data: M


class Tick(EventModel):
    """What a cron trigger delivers: a nominal instant of a schedule."""

    event_name: ClassVar[str] = "cron/tick"

    schedule: str
    """The expression, with its time zone."""
    nominal_ms: int
    """The instant it stands for, ms since the epoch."""
    late_ms: int = 0
    """How long after that instant it was enqueued."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A run's final failure, as `on_failure` sees it. `key` names the run among all slots, as `step.key` does."""

    function: str
    run: str
    key: str
    event: Event[EventModel]
    attempt: int
    error: str
    cause: BaseException | None
