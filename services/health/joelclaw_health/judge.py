"""When samples become a verdict. One pure page.

| verdict      | samples, each counted at least `gap_ms` after the last that counted       | then                    |
|--------------|---------------------------------------------------------------------------|-------------------------|
| new          | one ok                                                                    | ok, told to nobody      |
| any but failing | `confirmations` failing, an unknown between them clears nothing        | failing: opened         |
| new, ok      | `confirmations` unknown                                                   | unknown: unseen         |
| failing, unknown | `closings` ok in a row, three times as many while it flaps            | ok: resolved            |

A failing sample counts not while its component is younger than the start grace. A contradiction clears the other count
at once, however soon it comes. Where every component fails one kind of probe at once (three or more, health itself
apart), the checker suspects itself: nothing of that kind counts, and `health blindness` is what fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from joelclaw_contracts import HealthCheck
from joelclaw_health.sample import Sample

MANY = 3
SELF = "health"
BLINDNESS = "blindness"
CONNECTIVITY = "connectivity"
OUTSIDE = "outside"

State = Literal["new", "ok", "failing", "unknown"]


class Turn(StrEnum):
    """A transition that people hear of."""

    OPENED = "opened"
    UNSEEN = "unseen"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Counts, and times in ms; see `joelclaw_contracts.config.watching.Health`."""

    confirmations: int = 3
    closings: int = 2
    gap_ms: int = 10_000
    grace_ms: int = 120_000
    flap_openings: int = 3
    flap_window_ms: int = 3_600_000


@dataclass(frozen=True, slots=True)
class Judged:
    """One condition after its sample, and the transition if there was one."""

    check: HealthCheck
    turn: Turn | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether the last sample contradicts the verdict: worth another look soon."""
        return self.check.latest != self.check.state


def judge(before: Mapping[str, HealthCheck], samples: Sequence[Sample], now: int, t: Thresholds) -> list[Judged]:
    """What one round means. `before`: by sample key; `now`: the store's clock, ms."""
    blind = blind_kinds(samples)
    if len({s.component for s in samples}) >= MANY:
        text = f"every {', every '.join(sorted(blind))} probe fails at once" if blind else ""
        own = Sample(SELF, BLINDNESS, "failing" if blind else "ok", now, f"{len(samples)} samples", text)
        samples = [*samples, own]
    return [_one(before.get(s.key), s, s.condition in blind, t) for s in samples]


def doubt(checks: Iterable[HealthCheck], oldest_ms: int) -> str:
    """Why the checker suspects itself, by its own checks as they were last seen (before `oldest_ms` is too long ago);
    '' it doesn't. The heartbeat's address is one canary alone, so others are believed rather than it."""
    own = {c.condition: c for c in checks if c.component == SELF and c.checked_ms >= oldest_ms}
    asked = (BLINDNESS, CONNECTIVITY) if CONNECTIVITY in own else (BLINDNESS, OUTSIDE)
    failing = (own[name] for name in asked if name in own and own[name].latest == "failing")
    return "; ".join(check.reason or check.condition for check in failing)


def blind_kinds(samples: Iterable[Sample]) -> set[str]:
    """The kinds of probe that succeeded nowhere, though there was a choice."""
    outcomes: dict[str, list[str]] = {}
    for sample in samples:
        if sample.component != SELF:
            outcomes.setdefault(sample.condition, []).append(sample.outcome)
    return {kind for kind, all_of_it in outcomes.items() if len(all_of_it) >= MANY and "ok" not in all_of_it}


def _one(before: HealthCheck | None, s: Sample, blind: bool, t: Thresholds) -> Judged:
    check = before or HealthCheck(
        component=s.component, condition=s.condition, state="new", latest=s.outcome,
        since_ms=s.at_ms, checked_ms=0, first_ms=s.at_ms,
    )  # fmt: skip
    if s.at_ms <= check.checked_ms:
        return Judged(check)  # older than what was judged already
    seen = _with(check, latest=s.outcome, checked_ms=s.at_ms, value=s.value, reason=s.reason)
    young = s.outcome == "failing" and s.at_ms - max(s.born_ms, check.first_ms) < t.grace_ms
    if blind or young:
        return Judged(seen)
    counted = _count(seen, s, one=int(s.at_ms - check.counted_ms >= t.gap_ms))
    return _turn(counted, s.at_ms, t)


def _count(check: HealthCheck, s: Sample, *, one: int) -> HealthCheck:
    counted = {"counted_ms": s.at_ms} if one else {}
    match s.outcome:
        case "ok":
            return _with(check, good=check.good + one, failing=0, unknown=0, **counted)
        case "failing":
            return _with(check, failing=check.failing + one, good=0, unknown=0, **counted)
        case "unknown":
            return _with(check, unknown=check.unknown + one, good=0, **counted)


def _turn(check: HealthCheck, now: int, t: Thresholds) -> Judged:
    lately = tuple(at for at in check.openings if now - at < t.flap_window_ms)
    closings = t.closings * (3 if len(lately) >= t.flap_openings else 1)
    match check.state:
        case "new" if check.good:
            return Judged(_with(check, state="ok", since_ms=now))
        case "failing" | "unknown" if check.good >= closings:
            return Judged(_moved(check, "ok", now, openings=lately, flapping=False), Turn.RESOLVED)
        case "new" | "ok" | "unknown" if check.failing >= t.confirmations:
            lately = (*lately, now)
            flapping = len(lately) >= t.flap_openings
            return Judged(_moved(check, "failing", now, openings=lately, flapping=flapping), Turn.OPENED)
        case "new" | "ok" if check.unknown >= t.confirmations:
            return Judged(_moved(check, "unknown", now), Turn.UNSEEN)
        case "failing" | "unknown" if check.latest == "ok":
            why = check.reason or f"well again at {check.good} of the {closings} looks that it takes"
            return Judged(_with(check, reason=why))
        case _:
            return Judged(check)


def _moved(check: HealthCheck, state: State, now: int, **more: Any) -> HealthCheck:
    return _with(check, state=state, since_ms=now, repeat=check.repeat + 1, failing=0, good=0, unknown=0, **more)


def _with(check: HealthCheck, **changes: Any) -> HealthCheck:
    return check.model_copy(update=changes)
