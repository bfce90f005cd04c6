"""What the auditor saw: plain values as one script read them, in one moment."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_AT = re.compile(r"[sr][0-9]+-[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class RunSeen:
    """One run. '' is absent, times are ms; ttl_ms: -1 none, -2 no record.

    listed: among the open runs; due_score: its time in the due index, if it is there.
    Of the entry that `at` names: entry_there, pending, group_there, undelivered. event_entry: where the event still is;
    is_named: its record says whose it is (else `function` is from its name); awaits: what a waiting one has still to
    get, JSON.
    """

    run: str
    listed: bool
    ttl_ms: int
    due_score: str
    entry_there: bool
    pending: bool
    group_there: bool
    undelivered: bool
    event_entry: str
    format: str
    state: str
    at: str
    function: str
    is_named: bool
    due: str
    claim: str
    ended: str
    awaits: str
    has_body: bool

    @property
    def recorded(self) -> bool:
        return self.ttl_ms != -2

    @property
    def names_entry(self) -> bool:
        return _AT.match(self.at) is not None

    @property
    def awaited(self) -> list[tuple[str, str]]:
        """(event, STEP:NUMBER) of each event that it still waits for."""
        return [(event, part) for event, part in json.loads(self.awaits or "[]")]

    @property
    def can_go_on(self) -> bool:
        """Whether its event is at hand: in its record, or still on the stream."""
        return self.has_body or bool(self.event_entry and (self.entry_there or not self.at.startswith("s")))


@dataclass(frozen=True, slots=True)
class PendingSeen:
    """One member of an index (due, outbox). state, due: of the run that it names; body: of an item tried in vain."""

    member: str
    score: float
    has_body: bool
    tries: int
    state: str
    due: str
    body: bytes


@dataclass(frozen=True, slots=True)
class BodySeen:
    """One body. `body` is b'' when the index names it."""

    id: str
    scored: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class SlotSeen:
    """groups: that read the stream; marks: fields of the marks; lost_ids: generations that should be there; lost_index:
    all of them are lost, with what names them."""

    now_ms: int
    groups: tuple[str, ...]
    marks: frozenset[str]
    lost_ids: tuple[str, ...]
    lost_index: bool = False
