"""An incident's audit lines, read back into what the policy saw and said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joelclaw_healing.incident import Act, Incident, Kind, State
from joelclaw_router.clamps import Wish
from joelclaw_router.failure import CALM, Advice, Budgets, Failure, Policy, Surroundings

Line = Mapping[str, Any]
HANDED_OVER = "handed over"
ALWAYS = frozenset({"max_retries", "sleep_min_ms", "sleep_max_ms", "sleep_step_ms", "retries_per_day", "stopped"})
"""What every version recorded of the policy."""
JUDGEMENT = ("policy", "budgets", "dice")
"""What only the line of a judgement holds, beside the failure."""


class HistoryUnreadable(ValueError):
    """A line that is no decision of ours, or of another version."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One judgement: its arguments, and the decision as it was recorded. `at`: ms. `afresh`: of a request, not of a
    hold that ended. `ordered_by`: the person whose order was judged; '' it was no order."""

    at: int
    move: str
    failure: Failure
    incident: Incident
    first_failure_ms: int
    wish: Wish
    policy: Policy
    budgets: Budgets
    dice: float
    advice: Advice | None
    decision: Mapping[str, Any]
    around: Surroundings = CALM
    ordered_by: str = ""

    @property
    def afresh(self) -> bool:
        return self.move.startswith("answer:")


@dataclass(frozen=True, slots=True)
class History:
    """One incident as it went. `handed_over`: when its retries were, ms; `closed_ms` 0: it is not over."""

    id: str
    domain: str
    target: str
    judged: tuple[Judged, ...]
    handed_over: tuple[int, ...]
    closed_ms: int = 0
    resolved: bool = False

    @property
    def opened_ms(self) -> int:
        return self.judged[0].at


def read_judged(line: Line) -> Judged | None:
    """A line of the audit; None for one that records no judgement. HistoryUnreadable names what is missing."""
    if "failure" not in line:
        if any(part in line for part in JUDGEMENT):
            raise HistoryUnreadable(
                f"the line at {line.get('at')} ({line.get('move')}) is a judgement without its failure"
            )
        return None
    try:
        failure, before = Failure.from_json(line["failure"]), line["incident"]
        due = int(before["act_due_ms"])
        incident = Incident(
            id="recorded",
            domain=failure.domain,
            target=failure.target,
            state=State(before["state"]),
            seq=0,
            opened_ms=int(line["at"]),
            moved_ms=int(line["at"]),
            attempt=int(before["attempt"]),
            holds=int(before["holds"]),
            last_act=str(before["last_act"]),
            act=Act("recorded", Kind.RETRY, due) if due else None,
        )
        # What an older version didn't know has its default, and bore on nothing then.
        names = (name for name in Policy.__slots__ if name in line["policy"] or name in ALWAYS)
        policy = Policy(**{name: line["policy"][name] for name in names})
        return Judged(
            at=int(line["at"]),
            move=str(line["move"]),
            failure=failure,
            incident=incident,
            first_failure_ms=int(before.get("first_failure_ms", 0)),
            wish=Wish(**line["request"].get("wish", {})),
            policy=policy,
            budgets=Budgets(**line["budgets"]),
            dice=float(line["dice"]),
            advice=Advice(**line["advice"]) if line.get("advice") else None,
            decision=line["decision"],
            around=Surroundings.from_json(line.get("around", {})),
            ordered_by=str(line.get("ordered_by", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise HistoryUnreadable(f"the line at {line.get('at')} ({line.get('move')}) can't be read: {error!r}") from None


def history_of(id: str, lines: Sequence[Line], *, closed_ms: int = 0, resolved: bool = False) -> History | None:
    """An incident's history; None when no judgement of it is recorded. HistoryUnreadable."""
    judged = tuple(j for line in lines if (j := read_judged(line)) is not None)
    if not judged:
        return None
    handed = tuple(int(line["at"]) for line in lines if line.get("what") == HANDED_OVER)
    first = judged[0].failure
    return History(id, first.domain, first.target, judged, handed, closed_ms, resolved)
