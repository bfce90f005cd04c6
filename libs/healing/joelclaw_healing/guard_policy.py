"""May it act? One pure page; its order is the specification, and the first rule that holds rules.

| seen, remembered                                                     | ruling               | forced    |
|----------------------------------------------------------------------|----------------------|-----------|
| an intent whose lease has run out                                    | interrupted-act      | the same  |
| ok                                                                   | healthy              | –         |
| unknown                                                              | unknown-never-acts   | –         |
| an intent under its lease                                            | one-act-at-a-time    | the same  |
| failing, alive, younger than the start grace                         | start-grace          | if it was |
|                                                                      |                      | acted on  |
| failing, less often in a row than must be                            | not-confirmed        | –         |
| the kill switch is on                                                | kill-switch          | the same  |
| a pause reason covers it                                             | pause-reason         | –         |
| runs that the act would kill (never the caller's, never expired ones)| runs-active          | the same  |
| its last outcomes are mostly bad                                     | action-off           | –         |
| an act failed, and its hold lasts                                    | hold-after-failed-act| –         |
| it was acted on, and neither the time nor a recovery ended that      | cool-down            | –         |
| 3 acts within an hour, 7 within a day                                | acts-per-…-spent     | the same  |
| 30 % of its group (one at least) is acted on now                     | group-share-spent    | the same  |
| 10 acts within an hour on all targets together                       | acts-of-all-spent    | the same  |
| else                                                                 | act-permitted        | act-forced|

A person's order skips what restrains an automaton (–), and nothing that protects from persons too: what was restarted
just now, by whomever, has its start grace before a second order can restart it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from joelclaw_healing.guard_history import (
    DAY_MS,
    HOUR_MS,
    GuardLimits,
    History,
    Intent,
    Outcome,
    Record,
    Seen,
    Symptom,
)
from joelclaw_healing.guard_rules import Rule


@dataclass(frozen=True, slots=True)
class Ruling:
    """Which rule, and why, for people."""

    rule: Rule
    why: str


def next_step(symptom: Symptom, history: History, now: int, limits: GuardLimits) -> Ruling:
    """The ruling on one look; `history.record` has this look noted already (`noted`)."""
    record, forced = history.record, bool(symptom.forced_by)
    intent, age = record.intent, symptom.age_ms
    if intent and intent.until_ms <= now:
        return Ruling(Rule.INTERRUPTED, f"act {intent.id} was never settled: its effect is not known")
    if symptom.seen is Seen.OK and not forced:
        return Ruling(Rule.HEALTHY, symptom.detail)
    if symptom.seen is Seen.UNKNOWN and not forced:
        return Ruling(Rule.UNKNOWN, f"{symptom.detail}; what is not known is no reason to act")
    if intent:
        return Ruling(Rule.IN_FLIGHT, f"act {intent.id} is not settled yet")
    young = age is not None and age < limits.start_grace_ms
    if young and (not forced or now - max(history.acts, default=-limits.start_grace_ms) < limits.start_grace_ms):
        return Ruling(Rule.STARTING, f"{symptom.detail}; it started {age} ms ago and has {limits.start_grace_ms} ms")
    if record.failing < limits.confirmations and not forced:
        return Ruling(Rule.UNCONFIRMED, f"{symptom.detail}; seen {record.failing} of {limits.confirmations} times")
    if history.stopped:
        return Ruling(Rule.KILL_SWITCH, f"all acting is stopped by {history.stopped}")
    if history.paused and not forced:
        return Ruling(Rule.PAUSED, f"acting on it is paused: {history.paused}")
    if symptom.active_runs:
        return Ruling(Rule.RUNS_ACTIVE, f"{symptom.active_runs} runs would be killed")
    if not forced and (ruling := _restrained(record, now)):
        return ruling
    return _budgets(history, now, limits) or Ruling(
        Rule.FORCED if forced else Rule.PERMITTED,
        f"{symptom.forced_by}: {symptom.detail}" if forced else symptom.detail,
    )


def _restrained(record: Record, now: int) -> Ruling | None:
    if record.off:
        return Ruling(Rule.ACTION_OFF, f"it turned itself off: {record.off}; a person may force it")
    if now < record.hold_until_ms:
        return Ruling(Rule.HOLD, f"the last act failed; {record.hold_until_ms - now} ms of its hold are left")
    if now < record.cool_until_ms:
        return Ruling(Rule.COOL_DOWN, f"it was acted on; {record.cool_until_ms - now} ms are left")
    return None


def _budgets(history: History, now: int, limits: GuardLimits) -> Ruling | None:
    hour, day = spent(history.acts, now)
    if hour >= limits.per_hour:
        return Ruling(Rule.HOUR_SPENT, f"{hour} acts within an hour; {limits.per_hour} are allowed")
    if day >= limits.per_day:
        return Ruling(Rule.DAY_SPENT, f"{day} acts within a day; {limits.per_day} are allowed")
    share = allowed_at_once(history.group_size, limits)
    if history.group_acting >= share:
        return Ruling(Rule.GROUP_SPENT, f"{history.group_acting} of {history.group_size} are acted on; {share} may be")
    if history.all_acts >= limits.all_per_hour:
        return Ruling(
            Rule.ALL_SPENT, f"{history.all_acts} acts on all targets; {limits.all_per_hour} an hour are allowed"
        )
    return None


def spent(acts: tuple[int, ...], now: int) -> tuple[int, int]:
    """Acts within the rolling hour, and within the rolling day."""
    return sum(now - HOUR_MS < at for at in acts), sum(now - DAY_MS < at for at in acts)


def allowed_at_once(size: int, limits: GuardLimits) -> int:
    """How many of a group may be acted on at once: its share, and one at least. The explicit rule for a group of one:
    its one may be acted on, since else it never could be, and no other is left to fail with it."""
    return 1 if size <= 1 else max(1, math.floor(size * limits.group_share))


def entry(intent: Intent, me: str, symptom: Symptom, found_done: bool) -> Ruling:
    """May the act begin now? Asked right before it, and again by whoever takes over after a crash.

    found_done: the target shows that this very intent was carried out. A begun act is never begun again.
    """
    if intent.entered_by:
        if found_done:
            return Ruling(Rule.FOUND_DONE, f"{intent.entered_by} had done it and ended before it said so")
        return Ruling(Rule.INTERRUPTED, f"{intent.entered_by} began it and ended; how far it came is not known")
    if symptom.seen is not Seen.FAILING and not intent.forced_by:
        return Ruling(Rule.ANNULLED, f"looked at again before the act: {symptom.detail}")
    if intent.by != me:
        return Ruling(Rule.RESUMED, f"{intent.by} recorded the intent and ended; looked at again: {symptom.detail}")
    return Ruling(Rule.ENTERED, intent.why)


def noted(record: Record, symptom: Symptom, now: int, limits: GuardLimits) -> Record:
    """The record with one more look in it. A recovery that held ends cool-down and hold early, and what was told.

    In a row means nothing else between: an unknown look, or another incarnation, starts the count afresh.
    """
    match symptom.seen:
        case Seen.OK:
            since = record.good_since_ms if record.good else now
            after = replace(record, failing=0, good=record.good + 1, good_since_ms=since)
            return recovered(after) if held(after.good, now - since, limits) else after
        case Seen.FAILING:
            failing = record.failing + 1 if symptom.identity == record.identity else 1
            return replace(record, failing=failing, good=0, good_since_ms=0, identity=symptom.identity)
        case Seen.UNKNOWN:
            return replace(record, failing=0, good=0, good_since_ms=0)


def held(passes: int, span_ms: int, limits: GuardLimits) -> bool:
    """Whether good looks make a recovery: so many, over so long."""
    return passes >= limits.passes and span_ms >= limits.stability_ms


def recovered(record: Record) -> Record:
    """Cool-down and hold are over: an unrelated next outage is acted on at once. What was told is told as over."""
    return replace(record, failing=0, cool_until_ms=0, hold_until_ms=0, told="")


def intended(record: Record, id: str, by: str, symptom: Symptom, why: str, now: int, limits: GuardLimits) -> Record:
    """The act is decided: its intent stands, and its cool-down runs, before anything is done."""
    fence = max(record.fence + 1, now)  # by the clock too: a store that lost its memory must not make old fences
    intent = Intent(id, fence, now, now + limits.lease_ms, by, why, symptom.forced_by, cool_was_ms=record.cool_until_ms)
    return replace(record, fence=fence, intent=intent, cool_until_ms=now + limits.cool_down_ms, good=0, good_since_ms=0)


def settled(record: Record, outcome: Outcome, now: int, limits: GuardLimits) -> Record:
    """The act is over. Its outcome counts, unless nothing was done: then only its budget stays charged. Too many bad
    ones turn the action off."""
    after = replace(record, intent=None)
    if outcome is Outcome.SKIPPED:
        return replace(after, cool_until_ms=record.intent.cool_was_ms) if record.intent else after
    outcomes = (*record.outcomes, outcome.value)[-limits.outcomes :]
    after = replace(after, outcomes=outcomes, failing=0)
    match outcome:
        case Outcome.FIXED:
            after = replace(recovered(after), off="", good=limits.passes, good_since_ms=now - limits.stability_ms)
        case Outcome.FAILED:
            after = replace(after, hold_until_ms=now + limits.hold_ms)
        case Outcome.UNVERIFIED:
            pass
    good = sum(o == Outcome.FIXED for o in outcomes)
    if outcome is not Outcome.FIXED and len(outcomes) >= limits.outcomes and good / len(outcomes) < limits.floor:
        after = replace(after, off=f"only {good} of its last {len(outcomes)} outcomes were good")
    return after
