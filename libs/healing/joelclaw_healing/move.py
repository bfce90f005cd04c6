"""A move: one change of one incident with all that goes with it, made in one atomic step or not at all.

The pages that judge (the router's policy) work on a snapshot; the store makes the move only if the incident is still
at the `seq` that was judged. So judgement is pure, and nothing is decided twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_healing.incident import Incident

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Charge:
    """One unit of a rolling budget: at most `limit` in any `window_ms`. `of` names whose budget it is."""

    name: str
    of: str
    limit: int
    window_ms: int


def retries_per_day(target: str, limit: int = 12) -> Charge:
    """CONTRACT 4: retries have `maxRetries` and 12 a day per target, rolling."""
    return Charge("retries", target, limit, DAY_MS)


def retries_of_all(limit: int = 60) -> Charge:
    """All targets together, rolling: what no number of targets may exceed."""
    return Charge("retries-of-all", "all", limit, HOUR_MS)


@dataclass(frozen=True, slots=True)
class Storm:
    """How failures that come together bear on a move (of an incident, in its group).

    limit, window_ms: so many targets of the group that fail so close together bar every act (0: no such limit);
    failed: this move is about a failure of its target; rages_ms: a storm from now on, for so long (0: none).
    """

    limit: int = 0
    window_ms: int = 0
    failed: bool = False
    rages_ms: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that leaves with a move, by the outbox. `id` makes it once-only; `at_ms` 0 is now."""

    event: str
    id: str
    data: str
    at_ms: int = 0

    def item(self, *, traceparent: str, created_ms: int) -> OutboxItem:
        return OutboxItem(
            id=self.id,
            kind="event",
            target=self.event,
            event_id=self.id,
            data=self.data,
            at_ms=self.at_ms,
            source="joelclaw-healing",
            traceparent=traceparent,
            created_ms=created_ms,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """What is to be made.

    id: of this move; made once, and whoever asks again gets the first outcome. before, after: the incident as it was
    judged and as it becomes; both None for a move that touches no incident (a dry run, a refused target set).
    acts: refused while the kill switch is on, while a pause covers one of `scopes`, or in a storm (`storm` None: a
    storm bars it not). outcome: JSON-able, what the maker wants to know again after a crash. audit: what a person and a
    replay need. charges: budgets of which one unit each is spent. outage: the target fails again after it was well.
    """

    id: str
    outcome: Mapping[str, Any]
    audit: Mapping[str, Any]
    before: Incident | None = None
    after: Incident | None = None
    acts: bool = False
    charges: tuple[Charge, ...] = ()
    letters: tuple[Letter, ...] = ()
    traceparent: str = ""
    scopes: tuple[str, ...] = ()
    storm: Storm | None = None
    outage: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """The move is made; `earlier` if it was made before, then `outcome` is that of then."""

    outcome: dict[str, Any] = field(default_factory=dict)
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """Somebody else moved the incident meanwhile: look again, judge again."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The kill switch is on, and this move acts."""


@dataclass(frozen=True, slots=True)
class Paused:
    """A pause reason covers the target, and this move acts."""


@dataclass(frozen=True, slots=True)
class Stormy:
    """Too many targets of its group fail together, and this move acts."""


@dataclass(frozen=True, slots=True)
class Full:
    """A budget has no unit left: which one."""

    budget: str


Answer = Made | Moved | Stopped | Paused | Stormy | Full


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def dumps(value: Any) -> str:
    """Compact JSON text, as everything is kept here."""
    return _encode(value)


def flat(value: Any) -> dict[str, Any]:
    """A slotted dataclass of plain values as a dict: `asdict` copies deeply, which costs ten times as much."""
    return {name: getattr(value, name) for name in value.__slots__}
