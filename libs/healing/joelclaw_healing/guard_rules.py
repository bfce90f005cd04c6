"""Every rule by which the guard rules, by name. Each leaves exactly one piece of evidence each time that it does.

The order is that in which `guard_policy` asks. `status` is what a request is answered with (CONTRACT 2); `alert`: a
person hears of it, once per transition.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Meaning:
    name: str
    status: str
    level: str = "info"
    alert: bool = False


class Rule(Enum):
    # may it act? (`next_step`)
    INTERRUPTED = Meaning("interrupted-act", "detected", "warn", alert=True)
    HEALTHY = Meaning("healthy", "noop")
    UNKNOWN = Meaning("unknown-never-acts", "blocked", "warn")
    IN_FLIGHT = Meaning("one-act-at-a-time", "blocked")
    STARTING = Meaning("start-grace", "blocked")
    UNCONFIRMED = Meaning("not-confirmed", "blocked")
    KILL_SWITCH = Meaning("kill-switch", "blocked", "warn")
    PAUSED = Meaning("pause-reason", "blocked", "warn")
    RUNS_ACTIVE = Meaning("runs-active", "blocked", "warn")
    ACTION_OFF = Meaning("action-off", "escalated", "warn", alert=True)
    HOLD = Meaning("hold-after-failed-act", "blocked", "warn")
    COOL_DOWN = Meaning("cool-down", "blocked", "warn")
    HOUR_SPENT = Meaning("acts-per-hour-spent", "exhausted", "warn", alert=True)
    DAY_SPENT = Meaning("acts-per-day-spent", "exhausted", "warn", alert=True)
    GROUP_SPENT = Meaning("group-share-spent", "exhausted", "warn", alert=True)
    ALL_SPENT = Meaning("acts-of-all-spent", "exhausted", "warn", alert=True)
    PERMITTED = Meaning("act-permitted", "scheduled", "warn")
    FORCED = Meaning("act-forced", "scheduled", "warn")

    # the act itself (`entry`)
    ENTERED = Meaning("act-entered", "scheduled", "warn")
    RESUMED = Meaning("act-resumed-after-crash", "scheduled", "warn")
    FOUND_DONE = Meaning("act-found-done-after-crash", "scheduled", "warn")
    ANNULLED = Meaning("no-longer-failing", "noop")

    # what became of it (`settled`)
    FIXED = Meaning("act-fixed", "remediated")
    FAILED = Meaning("act-failed", "detected", "error", alert=True)
    UNVERIFIED = Meaning("act-unverified", "detected", "warn", alert=True)
    SKIPPED = Meaning("act-skipped", "noop")

    @property
    def status(self) -> str:
        return self.value.status

    @property
    def level(self) -> str:
        return self.value.level

    @property
    def alert(self) -> bool:
        return self.value.alert

    @property
    def acts(self) -> bool:
        """Whether an intent is recorded."""
        return self in (Rule.PERMITTED, Rule.FORCED)

    @property
    def goes_on(self) -> bool:
        """Whether whoever entered does the act, or finds it done and goes on to verify it."""
        return self in (Rule.ENTERED, Rule.RESUMED, Rule.FOUND_DONE)

    def __str__(self) -> str:
        return self.value.name


def rule_named(name: str) -> Rule:
    """The rule of this name. KeyError."""
    return {str(rule): rule for rule in Rule}[name]
