"""What became of entries: those that came, those that were sent, and those that nobody can read."""

from __future__ import annotations

from dataclasses import dataclass


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
class TickEnqueued:
    function: str
    schedule: str
    nominal_ms: int
    late_ms: int


@dataclass(frozen=True, slots=True)
class Trimmed:
    slot: str
    entries: int
