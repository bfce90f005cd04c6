"""The guard's nouns: what was seen of a target, what is remembered of it, what bounds every act. No store, no clock.

Times are ms since the epoch by the store's clock, spans are ms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Seen(StrEnum):
    """What a probe says. Unknown (a time-out, nothing to compare with) is no evidence of anything."""

    OK = "ok"
    FAILING = "failing"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    FIXED = "fixed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """What bounds an act (CONTRACT 4). Spans in ms; tests hand in short ones.

    confirmations: failing looks in a row; outcomes, floor: an action whose last so many outcomes are good in a smaller
    share turns itself off; lease_ms: how long an act with its verification may take before others may judge it.
    """

    confirmations: int = 3
    per_hour: int = 3
    per_day: int = 7
    all_per_hour: int = 10
    group_share: float = 0.3
    start_grace_ms: int = 120_000
    cool_down_ms: int = 900_000
    stability_ms: int = 90_000
    passes: int = 6
    hold_ms: int = 1_800_000
    outcomes: int = 4
    floor: float = 0.5
    lease_ms: int = 900_000


@dataclass(frozen=True, slots=True)
class Target:
    """What is acted on: identity (domain, name), the action, and the group whose share it counts in ('' is none)."""

    domain: str
    name: str
    action: str = "restart"
    group: str = ""

    @property
    def text(self) -> str:
        return f"{self.domain}/{self.name}"


RUNTIME = Target("inngest-runtime", "runtime")
"""The supervised runtime, however a request calls it: its remediator acts on it, the command shows it."""


@dataclass(frozen=True, slots=True)
class Symptom:
    """One look at a target.

    identity: which incarnation was seen (a new one starts its confirmations afresh); age_ms: how long it has run, where
    the start grace applies to what was seen; active_runs: runs that the act would kill, without the caller's own and
    without those whose lease has expired; forced_by: the person who orders the act.
    """

    seen: Seen
    detail: str
    identity: str = ""
    age_ms: int | None = None
    active_runs: int = 0
    forced_by: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """An act that was decided and not yet settled: the target's lease. `fence` counts up with every intent.

    by: the process that recorded it; entered_by: the process that began the act, '' while nobody did; cool_was_ms: the
    cool-down before it, which counts again if nothing was done.
    """

    id: str
    fence: int
    at_ms: int
    until_ms: int
    by: str
    why: str
    forced_by: str = ""
    entered_by: str = ""
    cool_was_ms: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of a target. `seq` counts its moves; `outcomes`: the latest, oldest first, without the skipped;
    `off`: why the action turned itself off; `told`: the rule that a person was told of, until the recovery is told."""

    seq: int = 0
    identity: str = ""
    failing: int = 0
    good: int = 0
    good_since_ms: int = 0
    cool_until_ms: int = 0
    hold_until_ms: int = 0
    outcomes: tuple[str, ...] = ()
    off: str = ""
    told: str = ""
    alerts: int = 0
    fence: int = 0
    intent: Intent | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Back from the store; fields that this version does not know are left out."""
        raw: dict[str, Any] = {k: v for k, v in json.loads(text).items() if k in cls.__dataclass_fields__}
        raw["outcomes"] = tuple(raw.get("outcomes", ()))
        return cls(**{**raw, "intent": intent_of(raw.get("intent"))})


def intent_of(raw: Mapping[str, Any] | None) -> Intent | None:
    """An intent back from JSON."""
    return Intent(**{k: v for k, v in raw.items() if k in Intent.__dataclass_fields__}) if raw else None


@dataclass(frozen=True, slots=True)
class History:
    """All that judgement needs: the record, when it was acted on within a day, its group now, the kill switch.

    group_size: targets of the group, this one included; group_acting: others of it that are acted on now;
    paused: the reason that covers it; all_acts: acts on all targets within the rolling hour.
    """

    record: Record = Record()
    acts: tuple[int, ...] = ()
    group_size: int = 1
    group_acting: int = 0
    stopped: str = ""
    paused: str = ""
    all_acts: int = 0
