"""What the policy judges, and what it says: nouns only. Times are ms since the epoch by the store's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from joelclaw_healing.move import flat
from joelclaw_router.rules import Rule, Verdict


class FailureClass(StrEnum):
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"
    DEFERRED = "deferred"


class RouteTrouble(StrEnum):
    """Why a retry can't take the route that was asked for."""

    MISSING = "missing"
    NOT_ALLOWED = "not-allowed"
    PAYLOAD = "payload"


@dataclass(frozen=True, slots=True)
class Failure:
    """One request, as its domain's adapter reads it.

    deadline_ms and window_end_ms: 0 is none. defer: the playbook asks to wait first. route_detail says what is wrong
    with the route, for people. group: what it fails together with. approved_by: the person who allowed a retry.
    """

    domain: str
    target: str
    kind: FailureClass = FailureClass.TRANSIENT
    deadline_ms: int = 0
    window_end_ms: int = 0
    defer: bool = False
    route: str = ""
    route_trouble: RouteTrouble | None = None
    route_detail: str = ""
    group: str = ""
    approved_by: str = ""

    def to_json(self) -> dict[str, Any]:
        return flat(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Failure:
        """Back from an audit line, for a replay."""
        trouble = raw["route_trouble"]  # fields that an older version didn't record have their defaults
        return cls(
            **{
                **raw,
                "kind": FailureClass(raw["kind"]),
                "route_trouble": RouteTrouble(trouble) if trouble else None,
            }
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers in force for one request (clamped already), and whether all acting is stopped, and why.

    approval_ms: how long a person has to allow a retry; 0: none is asked. The rest as configuration has it.
    """

    max_retries: int = 5
    sleep_min_ms: int = 300_000
    sleep_max_ms: int = 14_400_000
    sleep_step_ms: int = 30_000
    retries_per_day: int = 12
    stopped: str = ""
    config_hash: str = ""
    all_retries_per_hour: int = 60
    storm_targets: int = 5
    storm_window_ms: int = 900_000
    storm_cool_down_ms: int = 600_000
    flap_outages: int = 3
    flap_half_life_ms: int = 3_600_000
    flap_long_outages: int = 7
    flap_long_window_ms: int = 604_800_000
    approval_ms: int = 0


@dataclass(frozen=True, slots=True)
class Budgets:
    """What is used up already: retries of this target in the last day, of all targets in the last hour."""

    retries_today: int = 0
    retries_of_all: int = 0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is so around an incident, and bears on it.

    paused: the reason that covers it, for people. blind: why our eyes are not trusted. failing: how many other targets
    of its group failed within the storm's window (0 where nothing new failed). storm_until_ms: its group is in a storm
    until then. storms: how many groups are in one. outages: when the target failed after it had been well, this time
    included.
    """

    paused: str = ""
    blind: str = ""
    failing: int = 0
    storm_until_ms: int = 0
    storms: int = 0
    outages: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return flat(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Surroundings:
        return cls(**{**raw, "outages": tuple(raw.get("outages", ()))})


CALM = Surroundings()


@dataclass(frozen=True, slots=True)
class Advice:
    """What a model said, read and checked. `action`: retry, pause or escalate; `model`: the id that we asked."""

    action: str
    delay_ms: int
    confidence: float
    reason: str
    model: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, and by which rule. delay_ms, due_ms: 0 where nothing waits (a joined request has the due
    time of what it joined). next_attempt: the attempt that a retry or hold makes."""

    rule: Rule
    reason: str
    attempt: int = 0
    next_attempt: int = 0
    delay_ms: int = 0
    due_ms: int = 0
    model: str = "policy"
    confidence: float = 1.0

    @property
    def verdict(self) -> Verdict:
        return self.rule.verdict

    @property
    def status(self) -> str:
        return self.rule.status

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": str(self.rule),
            "verdict": self.verdict.value,
            "status": self.status,
            "reason": self.reason,
            "attempt": self.attempt,
            "next_attempt": self.next_attempt,
            "delay_ms": self.delay_ms,
            "due_ms": self.due_ms,
            "model": self.model,
            "confidence": self.confidence,
        }
