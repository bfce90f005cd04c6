"""Every rule that can decide, by name. Each leaves exactly one piece of evidence each time that it decides.

The order is that in which the policy asks. `verdict` says what the rule makes of a request, `status` what it is
answered with (CONTRACT 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Verdict(StrEnum):
    RETRY = "retry"
    PAUSE = "pause"
    ESCALATE = "escalate"
    REFUSE = "refuse"
    JOIN = "join"


@dataclass(frozen=True, slots=True)
class Meaning:
    """`alert`: a person hears of it (once per transition)."""

    name: str
    verdict: Verdict
    status: str
    alert: bool = False


class Rule(Enum):
    TARGET_SET = Meaning("target-set-refused", Verdict.REFUSE, "blocked")
    JOINED = Meaning("joined", Verdict.JOIN, "noop")
    ABSORBED = Meaning("absorbed-by-escalation", Verdict.JOIN, "noop")
    KILL_SWITCH = Meaning("kill-switch", Verdict.REFUSE, "blocked")
    PAUSED = Meaning("pause-reason", Verdict.REFUSE, "blocked")
    BLIND = Meaning("probe-blindness", Verdict.REFUSE, "blocked")
    STORM = Meaning("storm-of-its-group", Verdict.REFUSE, "blocked")
    PERMANENT = Meaning("permanent-failure", Verdict.ESCALATE, "escalated", alert=True)
    DEFERRED_STUCK = Meaning("deferred-not-drained", Verdict.ESCALATE, "escalated", alert=True)
    FLAPPING = Meaning("flapping", Verdict.ESCALATE, "escalated", alert=True)
    RETRIES_FORBIDDEN = Meaning("retries-forbidden", Verdict.ESCALATE, "exhausted", alert=True)
    DEADLINE_PAST = Meaning("deadline-past", Verdict.ESCALATE, "exhausted", alert=True)
    WINDOW_PAST = Meaning("recovery-window-spent", Verdict.ESCALATE, "exhausted", alert=True)
    ROUTE_MISSING = Meaning("route-missing", Verdict.REFUSE, "blocked", alert=True)
    ROUTE_NOT_ALLOWED = Meaning("route-not-allowed", Verdict.REFUSE, "blocked", alert=True)
    ROUTE_PAYLOAD = Meaning("route-payload-invalid", Verdict.REFUSE, "blocked", alert=True)
    ESCALATE_ADVISED = Meaning("escalation-advised-by-model", Verdict.ESCALATE, "escalated", alert=True)
    APPROVAL = Meaning("approval-wanted", Verdict.ESCALATE, "escalated", alert=True)
    DUE_PAST_DEADLINE = Meaning("due-past-deadline", Verdict.ESCALATE, "exhausted", alert=True)
    DUE_PAST_WINDOW = Meaning("due-past-recovery-window", Verdict.ESCALATE, "exhausted", alert=True)
    RETRIES_SPENT = Meaning("retries-spent", Verdict.ESCALATE, "exhausted", alert=True)
    RETRIES_PER_DAY = Meaning("retries-per-day-spent", Verdict.ESCALATE, "exhausted", alert=True)
    RETRIES_OF_ALL = Meaning("retries-of-all-spent", Verdict.ESCALATE, "exhausted", alert=True)
    HOLD_DEFERRED = Meaning("hold-while-drained", Verdict.PAUSE, "scheduled")
    HOLD_ASKED = Meaning("hold-asked-by-playbook", Verdict.PAUSE, "scheduled")
    HOLD_ADVISED = Meaning("hold-advised-by-model", Verdict.PAUSE, "scheduled")
    HOLD_UNKNOWN = Meaning("hold-unknown-failure", Verdict.PAUSE, "scheduled")
    APPROVED = Meaning("retry-approved-by-person", Verdict.RETRY, "scheduled")
    RETRY = Meaning("retry-within-budget", Verdict.RETRY, "scheduled")

    # when a person orders a retry
    ORDERED = Meaning("retry-ordered-by-person", Verdict.RETRY, "scheduled")

    # when an act's or a deadline's time has come
    HANDED_OVER = Meaning("handed-over", Verdict.RETRY, "scheduled")
    SWITCH_HOLDS = Meaning("kill-switch-holds-due-act", Verdict.REFUSE, "blocked")
    PAUSE_HOLDS = Meaning("pause-holds-due-act", Verdict.REFUSE, "blocked")
    BLIND_HOLDS = Meaning("blindness-holds-due-act", Verdict.REFUSE, "blocked")
    STORM_HOLDS = Meaning("storm-holds-due-act", Verdict.REFUSE, "blocked")
    DEADLINE_TIMER = Meaning("deadline-timer", Verdict.ESCALATE, "exhausted", alert=True)

    # when an observer says that it is over
    CLOSING_UNPROVEN = Meaning("closing-without-proof", Verdict.REFUSE, "blocked")

    # what a person is asked, and told
    SELF_APPROVAL = Meaning("approval-by-requester-refused", Verdict.REFUSE, "blocked")
    APPROVAL_OVER = Meaning("approval-expired", Verdict.ESCALATE, "escalated")
    STORM_OPENED = Meaning("storm-opened", Verdict.ESCALATE, "escalated", alert=True)
    STORM_UNFOUNDED = Meaning("storm-without-failures", Verdict.REFUSE, "blocked")
    PAGED_AGAIN = Meaning("page-repeated", Verdict.ESCALATE, "escalated", alert=True)
    UNANSWERED = Meaning("page-unanswered", Verdict.ESCALATE, "escalated", alert=True)

    @property
    def verdict(self) -> Verdict:
        return self.value.verdict

    @property
    def status(self) -> str:
        return self.value.status

    @property
    def alert(self) -> bool:
        return self.value.alert

    @property
    def passes(self) -> bool:
        """Whether what refuses passes by itself: then the incident is looked at again, and judged afresh."""
        return self in (Rule.KILL_SWITCH, Rule.PAUSED, Rule.BLIND, Rule.STORM)

    def __str__(self) -> str:
        return self.value.name
