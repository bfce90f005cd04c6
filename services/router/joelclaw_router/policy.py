"""The policy: one failure, its incident and its budgets in; one decision out, with the rule that made it. Pure.

Asked in this order; the first rule that applies decides (CONTRACT 4):

| question                                               | rule                                  | verdict  |
|--------------------------------------------------------|---------------------------------------|----------|
| is the target empty, or a set (`*`, `all`)?            | target-set-refused                    | refuse   |
| does a person have the incident? does an act wait?     | absorbed-by-escalation, joined        | join     |
| is the kill switch on?                                 | kill-switch                           | refuse   |
| does a pause reason cover it?                          | pause-reason                          | refuse   |
| do we mistrust our eyes? does its whole group fail?    | probe-blindness, storm-of-its-group   | refuse   |
| is the failure permanent? undrained after its hold?    | permanent-failure, deferred-not-…     | escalate |
| does it fail again and again after it was well?        | flapping                              | escalate |
| are retries forbidden (`maxRetries` 0)?                | retries-forbidden                     | escalate |
| is the deadline or the recovery window over?           | deadline-past, recovery-window-spent  | escalate |
| is there no route, or one that can't be taken?         | route-missing, -not-allowed, -payload | refuse   |
| does a model advise to call a person?                  | escalation-advised-by-model           | escalate |
| would it be due after the deadline or the window?      | due-past-…                            | escalate |
| are the incident's retries spent? the day's? all?      | retries-spent, -per-day-, -of-all-… | escalate |
| must we wait and look first? does a model advise to?   | hold-…                                | pause    |
| must a person allow it? did one?                       | approval-wanted; -approved-by-person  | escalate; retry |
| else                                                   | retry-within-budget                   | retry    |

A model's advice can only tighten: it is heard after all that bars an act, and before all that an act may overdraw.

Approval is asked last, and judged afresh when it is given: a person is not asked for what would be refused anyway.

A hold needs no route and costs an attempt, but none of the day's retries. Two holds never follow one another.
"""

from __future__ import annotations

from joelclaw_healing.incident import Incident, Kind, State
from joelclaw_router.failure import (
    CALM,
    Advice,
    Budgets,
    Decision,
    Failure,
    FailureClass,
    Policy,
    RouteTrouble,
    Surroundings,
)
from joelclaw_router.flap import flaps_for_long, flaps_shortly
from joelclaw_router.rules import Rule, Verdict

EXPONENT_MAX = 32
"""2^32 ms is far beyond every `sleepMaxMs`; a larger exponent would only cost time."""

STORMS_BLIND = 3
"""So many groups in a storm at once: rather our eyes are bad than that everything is."""
NO_MODEL = "policy"
_SETS = frozenset({"", "all", "any"})
_ROUTE_RULES = {
    RouteTrouble.MISSING: Rule.ROUTE_MISSING,
    RouteTrouble.NOT_ALLOWED: Rule.ROUTE_NOT_ALLOWED,
    RouteTrouble.PAYLOAD: Rule.ROUTE_PAYLOAD,
}


def decide(
    failure: Failure,
    incident: Incident | None,
    budgets: Budgets,
    *,
    now: int,
    policy: Policy,
    dice: float,
    advice: Advice | None = None,
    around: Surroundings = CALM,
) -> Decision:
    """`incident`: the target's present one (None or closed: this failure opens one, or reopens it).
    now: ms by the store's clock. dice: drawn once, 0 ≤ dice < 1. advice: what a model said, if one was heard.
    The same arguments always give the same decision."""
    attempt = incident.attempt if incident else 0
    rule, reason = _barred(failure, incident, now, policy, around) or (None, "")
    if rule in (Rule.JOINED, Rule.ABSORBED):
        assert incident is not None
        due = incident.act.due_ms if incident.act else 0
        return Decision(rule, reason, attempt=attempt, next_attempt=attempt + 1 if due else attempt, due_ms=due)
    if rule is not None:
        return Decision(rule, reason, attempt=attempt)
    rule, reason = _act(failure, incident, attempt)
    wait = delay(attempt, policy, dice)
    if rule is Rule.HOLD_DEFERRED and failure.window_end_ms:
        # The drainer owns the artefact until the window closes; looking sooner would only find it at work.
        wait = clamp(failure.window_end_ms - now, policy.sleep_min_ms, policy.sleep_max_ms)
    model, confidence = (advice.model, advice.confidence) if advice else (NO_MODEL, 1.0)
    if advice is not None:
        rule, reason = _tightened(rule, reason, incident, advice)
        if rule is Rule.ESCALATE_ADVISED:
            return Decision(rule, reason, attempt=attempt, model=model, confidence=confidence)
        if rule is not Rule.HOLD_DEFERRED:
            wait = max(wait, clamp(advice.delay_ms, policy.sleep_min_ms, policy.sleep_max_ms))
    spent = _spent(failure, incident, budgets, rule, now + wait, policy)
    if spent is not None:
        return Decision(*spent, attempt=attempt, model=model, confidence=confidence)
    if rule is Rule.RETRY and policy.approval_ms and not failure.approved_by:
        reason = f"a person must allow attempt {attempt + 1}: joelclaw heal approve"
        due = now + policy.approval_ms
        return Decision(Rule.APPROVAL, reason, attempt, attempt, policy.approval_ms, due, model, confidence)
    if rule is Rule.RETRY and failure.approved_by:
        rule, reason = Rule.APPROVED, f"{failure.approved_by} allows attempt {attempt + 1}"
    return Decision(rule, reason, attempt, attempt + 1, wait, now + wait, model, confidence)


def order(failure: Failure, incident: Incident, budgets: Budgets, *, now: int, policy: Policy, actor: str) -> Decision:
    """A person wants a retry now. It skips what restrains an automaton (permanence, pauses, storms, attempts, holds,
    deadlines), and nothing that protects from persons too: the kill switch, the route, the rolling budgets."""
    attempt = incident.attempt
    barred = None
    if policy.stopped:
        barred = Rule.KILL_SWITCH, f"all acting is stopped: {policy.stopped}"
    elif failure.route_trouble is not None:
        barred = _ROUTE_RULES[failure.route_trouble], failure.route_detail or failure.route_trouble.value
    barred = barred or _rolling(budgets, policy)
    if barred is not None:
        return Decision(*barred, attempt=attempt)
    return Decision(Rule.ORDERED, f"{actor} orders attempt {attempt + 1}", attempt, attempt + 1, 0, now)


def delay(attempt: int, policy: Policy, dice: float) -> int:
    """ms: the base doubled per attempt up to the ceiling, plus jitter in [0, step), within floor and ceiling."""
    base = min(policy.sleep_min_ms << min(attempt, EXPONENT_MAX), policy.sleep_max_ms)
    return clamp(base + int(dice * policy.sleep_step_ms), policy.sleep_min_ms, policy.sleep_max_ms)


def clamp(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def is_target_set(target: str) -> bool:
    """Nothing, everything, or a pattern: no one can have confirmed evidence about that."""
    return target.strip().casefold() in _SETS or "*" in target


Verdicts = tuple[Rule, str]


def _barred(
    failure: Failure, incident: Incident | None, now: int, policy: Policy, around: Surroundings
) -> Verdicts | None:
    """Whatever keeps us from choosing an act at all."""
    if is_target_set(failure.target):
        return Rule.TARGET_SET, f"the target {failure.target!r} names no single component"
    if incident is not None and incident.state is State.ESCALATED:
        return Rule.ABSORBED, "joined"
    if incident is not None and incident.act is not None:
        return Rule.JOINED, "joined"
    if policy.stopped:
        return Rule.KILL_SWITCH, f"all acting is stopped: {policy.stopped}"
    if around.paused:
        return Rule.PAUSED, f"acting on it is paused: {around.paused}"
    if (together := _together(failure, now, policy, around)) is not None:
        return together
    if failure.kind is FailureClass.PERMANENT:
        return Rule.PERMANENT, "trying again can't mend this failure"
    if failure.kind is FailureClass.DEFERRED and _held_before(incident):
        return Rule.DEFERRED_STUCK, "the queued artefact was not drained during its hold"
    if flaps_shortly(around.outages, policy.flap_outages, policy.flap_half_life_ms):
        return (
            Rule.FLAPPING,
            f"it heals only briefly: {len(around.outages)} outages lately, the last ones close together",
        )
    if flaps_for_long(around.outages, now, policy.flap_long_outages, policy.flap_long_window_ms):
        days = policy.flap_long_window_ms / 86_400_000
        return Rule.FLAPPING, f"it fails again and again: {policy.flap_long_outages} outages or more in {days:g} days"
    if policy.max_retries == 0:
        return Rule.RETRIES_FORBIDDEN, "the request allows no retries"
    if failure.deadline_ms and now >= failure.deadline_ms:
        return Rule.DEADLINE_PAST, "the deadline is over"
    if failure.window_end_ms and now >= failure.window_end_ms:
        return Rule.WINDOW_PAST, "the recovery window is over"
    if failure.route_trouble is not None and failure.kind is not FailureClass.DEFERRED:
        return _ROUTE_RULES[failure.route_trouble], failure.route_detail or failure.route_trouble.value
    return None


def _together(failure: Failure, now: int, policy: Policy, around: Surroundings) -> Verdicts | None:
    """What fails together has one cause, and it isn't this target's."""
    if around.blind:
        return Rule.BLIND, around.blind
    if around.storms >= STORMS_BLIND:
        return Rule.BLIND, f"{around.storms} groups fail at once: what we see is not trusted"
    group = failure.group or failure.domain
    if around.storm_until_ms > now:
        return Rule.STORM, f"{group} is in a storm; its targets wait until it is over"
    if policy.storm_targets and around.failing + 1 >= policy.storm_targets:
        return Rule.STORM, f"{around.failing + 1} targets of {group} fail together"
    return None


def _act(failure: Failure, incident: Incident | None, attempt: int) -> Verdicts:
    """Retry, or wait and look first."""
    if failure.kind is FailureClass.DEFERRED:
        return Rule.HOLD_DEFERRED, "the artefact is queued and its drainer owns it"
    held = _held_before(incident)
    if failure.defer and attempt == 0 and not held:
        return Rule.HOLD_ASKED, "the playbook asks to wait first"
    if failure.kind is FailureClass.UNKNOWN and not held and (incident is None or incident.holds == 0):
        return Rule.HOLD_UNKNOWN, "an unknown failure is held once before it is retried"
    return Rule.RETRY, f"attempt {attempt + 1} is within the budget"


def _tightened(rule: Rule, reason: str, incident: Incident | None, advice: Advice) -> Verdicts:
    """The same act, or a more careful one. What would loosen it is not heard."""
    why = advice.reason or "no reason given"
    if advice.action == "escalate":
        return Rule.ESCALATE_ADVISED, f"{advice.model} advises to call a person: {why}"
    if advice.action == "pause" and rule is Rule.RETRY and not _held_before(incident):
        return Rule.HOLD_ADVISED, f"{advice.model} advises to wait and look first: {why}"
    return rule, reason


def _spent(
    failure: Failure, incident: Incident | None, budgets: Budgets, rule: Rule, due: int, policy: Policy
) -> Verdicts | None:
    """Whatever the chosen act would overdraw: deadline, window, retries."""
    attempt = incident.attempt if incident else 0
    if failure.deadline_ms and due > failure.deadline_ms:
        return Rule.DUE_PAST_DEADLINE, "the next act would be due after the deadline"
    if failure.window_end_ms and due > failure.window_end_ms and rule.verdict is Verdict.RETRY:
        return Rule.DUE_PAST_WINDOW, "the next retry would be due after the recovery window"
    if attempt + 1 > policy.max_retries:
        return Rule.RETRIES_SPENT, f"{attempt} of {policy.max_retries} attempts are used"
    return _rolling(budgets, policy) if rule.verdict is Verdict.RETRY else None


def _rolling(budgets: Budgets, policy: Policy) -> Verdicts | None:
    if budgets.retries_today >= policy.retries_per_day:
        return Rule.RETRIES_PER_DAY, f"{budgets.retries_today} of {policy.retries_per_day} retries in a day are used"
    if budgets.retries_of_all >= policy.all_retries_per_hour:
        of_all = f"{budgets.retries_of_all} of {policy.all_retries_per_hour} retries of all targets in an hour are used"
        return Rule.RETRIES_OF_ALL, of_all
    return None


def _held_before(incident: Incident | None) -> bool:
    return incident is not None and incident.last_act == Kind.PAUSE.value
