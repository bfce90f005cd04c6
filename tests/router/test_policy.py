"""The policy's table a third time: every rule, produced by the smallest case that produces it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joelclaw_healing.incident import Act, Incident, Kind, State
from joelclaw_router.failure import (
    CALM,
    Budgets,
    Decision,
    Failure,
    FailureClass,
    Policy,
    RouteTrouble,
    Surroundings,
)
from joelclaw_router.flap import flaps_shortly
from joelclaw_router.policy import STORMS_BLIND, decide, delay, is_target_set, order
from joelclaw_router.rules import Rule, Verdict

NOW = 1_700_000_000_000
FAILURE = Failure("gateway-bridge", "bridge", route="system/health.check.requested")
POLICY = Policy()
INCIDENT = Incident("inc-1", "gateway-bridge", "bridge", State.OPEN, 3, NOW - 1000, NOW - 1000)
WAITING = replace(INCIDENT, act=Act("inc-1:1", Kind.RETRY, NOW + 500))

ADVISED_RULES = {Rule.HOLD_ADVISED, Rule.ESCALATE_ADVISED}
"""Only a model brings them about: test_advice produces them."""

HOLDS = {Rule.SWITCH_HOLDS, Rule.PAUSE_HOLDS, Rule.BLIND_HOLDS, Rule.STORM_HOLDS}
PERSONS = {Rule.ORDERED, Rule.SELF_APPROVAL, Rule.APPROVAL_OVER, Rule.PAGED_AGAIN, Rule.UNANSWERED}
UNASKED = {Rule.STORM_OPENED, Rule.STORM_UNFOUNDED, Rule.CLOSING_UNPROVEN}
DUE_RULES = {Rule.HANDED_OVER, Rule.DEADLINE_TIMER, *UNASKED, *HOLDS, *PERSONS}
"""Decided when a time has come or a person speaks, not on a request: tests of the desk produce them."""

ASKING = replace(POLICY, approval_ms=60_000)
AROUND: dict[Rule, Surroundings] = {
    Rule.PAUSED: Surroundings(paused="p1 (all, joel): moving the NAS"),
    Rule.BLIND: Surroundings(blind="every probe fails at once"),
    Rule.STORM: Surroundings(failing=4),
    Rule.FLAPPING: Surroundings(outages=(NOW - 1_200_000, NOW - 600_000, NOW)),
}
"""What is so around the case, where that decides."""

CASES: dict[Rule, tuple[Failure, Incident | None, Budgets, Policy]] = {
    Rule.PAUSED: (FAILURE, None, Budgets(), POLICY),
    Rule.BLIND: (FAILURE, None, Budgets(), POLICY),
    Rule.STORM: (FAILURE, None, Budgets(), POLICY),
    Rule.FLAPPING: (FAILURE, None, Budgets(), POLICY),
    Rule.RETRIES_OF_ALL: (FAILURE, None, Budgets(retries_of_all=60), POLICY),
    Rule.APPROVAL: (FAILURE, None, Budgets(), ASKING),
    Rule.APPROVED: (replace(FAILURE, approved_by="ann"), None, Budgets(), ASKING),
    Rule.TARGET_SET: (replace(FAILURE, target="*"), None, Budgets(), POLICY),
    Rule.JOINED: (FAILURE, WAITING, Budgets(), POLICY),
    Rule.ABSORBED: (FAILURE, replace(INCIDENT, state=State.ESCALATED), Budgets(), POLICY),
    Rule.KILL_SWITCH: (FAILURE, None, Budgets(), replace(POLICY, stopped="joel: maintenance")),
    Rule.PERMANENT: (replace(FAILURE, kind=FailureClass.PERMANENT), None, Budgets(), POLICY),
    Rule.DEFERRED_STUCK: (
        replace(FAILURE, kind=FailureClass.DEFERRED),
        replace(INCIDENT, last_act="pause", holds=1, attempt=1),
        Budgets(),
        POLICY,
    ),
    Rule.RETRIES_FORBIDDEN: (FAILURE, None, Budgets(), replace(POLICY, max_retries=0)),
    Rule.DEADLINE_PAST: (replace(FAILURE, deadline_ms=NOW), None, Budgets(), POLICY),
    Rule.WINDOW_PAST: (replace(FAILURE, window_end_ms=NOW), None, Budgets(), POLICY),
    Rule.ROUTE_MISSING: (replace(FAILURE, route_trouble=RouteTrouble.MISSING), None, Budgets(), POLICY),
    Rule.ROUTE_NOT_ALLOWED: (replace(FAILURE, route_trouble=RouteTrouble.NOT_ALLOWED), None, Budgets(), POLICY),
    Rule.ROUTE_PAYLOAD: (replace(FAILURE, route_trouble=RouteTrouble.PAYLOAD), None, Budgets(), POLICY),
    Rule.DUE_PAST_DEADLINE: (replace(FAILURE, deadline_ms=NOW + 299_999), None, Budgets(), POLICY),
    Rule.DUE_PAST_WINDOW: (replace(FAILURE, window_end_ms=NOW + 299_999), None, Budgets(), POLICY),
    Rule.RETRIES_SPENT: (FAILURE, replace(INCIDENT, attempt=5), Budgets(), POLICY),
    Rule.RETRIES_PER_DAY: (FAILURE, None, Budgets(retries_today=12), POLICY),
    Rule.HOLD_DEFERRED: (replace(FAILURE, kind=FailureClass.DEFERRED), None, Budgets(), POLICY),
    Rule.HOLD_ASKED: (replace(FAILURE, defer=True), None, Budgets(), POLICY),
    Rule.HOLD_UNKNOWN: (replace(FAILURE, kind=FailureClass.UNKNOWN), None, Budgets(), POLICY),
    Rule.RETRY: (FAILURE, None, Budgets(), POLICY),
}


@pytest.mark.parametrize("rule", CASES, ids=str)
def test_the_rule_decides_the_case_made_for_it(rule: Rule) -> None:
    failure, incident, budgets, policy = CASES[rule]
    around = AROUND.get(rule, CALM)
    decision = decide(failure, incident, budgets, now=NOW, policy=policy, dice=0.5, around=around)
    assert decision.rule is rule
    assert decision.model == "policy"
    assert decision.confidence == 1.0
    assert decision.reason


def test_every_rule_that_judges_requests_has_a_case() -> None:
    assert set(CASES) == set(Rule) - DUE_RULES - ADVISED_RULES


def test_rules_have_different_names() -> None:
    assert len({str(rule) for rule in Rule}) == len(Rule)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.RETRY, {"scheduled"}),
        (Verdict.PAUSE, {"scheduled"}),
        (Verdict.JOIN, {"noop"}),
        (Verdict.REFUSE, {"blocked"}),
        (Verdict.ESCALATE, {"exhausted", "escalated"}),
    ],
)
def test_a_verdict_is_answered_with_the_statuses_of_the_contract(verdict: Verdict, status: set[str]) -> None:
    assert {rule.status for rule in Rule if rule.verdict is verdict} <= status


def test_a_retry_waits_the_base_plus_its_jitter() -> None:
    decision = decide(FAILURE, None, Budgets(), now=NOW, policy=POLICY, dice=0.5)
    assert (decision.delay_ms, decision.due_ms) == (315_000, NOW + 315_000)
    assert (decision.attempt, decision.next_attempt) == (0, 1)


def test_each_attempt_doubles_the_wait_until_the_ceiling() -> None:
    waits = [delay(attempt, POLICY, 0.0) for attempt in range(8)]
    assert waits == [300_000, 600_000, 1_200_000, 2_400_000, 4_800_000, 9_600_000, 14_400_000, 14_400_000]


def test_a_joined_request_is_told_when_the_waiting_act_is_due() -> None:
    decision = decide(FAILURE, WAITING, Budgets(), now=NOW, policy=POLICY, dice=0.0)
    assert (decision.reason, decision.due_ms, decision.attempt) == ("joined", NOW + 500, 0)


def test_the_last_allowed_attempt_is_still_made() -> None:
    at_four = replace(INCIDENT, attempt=4)
    assert decide(FAILURE, at_four, Budgets(), now=NOW, policy=POLICY, dice=0.0).next_attempt == 5


def test_a_hold_is_followed_by_a_retry_and_never_by_a_hold() -> None:
    held = replace(INCIDENT, attempt=1, holds=1, last_act="pause")
    for failure in (replace(FAILURE, kind=FailureClass.UNKNOWN), replace(FAILURE, defer=True)):
        assert decide(failure, held, Budgets(), now=NOW, policy=POLICY, dice=0.0).rule is Rule.RETRY


def test_a_deferred_backup_is_held_until_its_window_closes_without_a_route() -> None:
    failure = Failure(
        "backup", "redis", FailureClass.DEFERRED, window_end_ms=NOW + 7_000_000, route_trouble=RouteTrouble.MISSING
    )
    decision = decide(failure, None, Budgets(), now=NOW, policy=POLICY, dice=0.9)
    assert (decision.rule, decision.due_ms) == (Rule.HOLD_DEFERRED, NOW + 7_000_000)


def test_holds_cost_none_of_the_days_retries() -> None:
    failure = replace(FAILURE, defer=True)
    decision = decide(failure, None, Budgets(retries_today=12), now=NOW, policy=POLICY, dice=0.0)
    assert decision.rule is Rule.HOLD_ASKED


def test_a_closed_incident_does_not_absorb_a_new_failure() -> None:
    closed = replace(INCIDENT, state=State.CLOSED, attempt=2)
    assert decide(FAILURE, closed, Budgets(), now=NOW, policy=POLICY, dice=0.0).next_attempt == 3


@pytest.mark.parametrize("target", ["", "  ", "*", "all", "ALL", "queue/*", "any"])
def test_nothing_and_everything_are_no_targets(target: str) -> None:
    assert is_target_set(target)


@pytest.mark.parametrize("target", ["redis", "allow-list", "system/backup.redis"])
def test_one_component_is_a_target(target: str) -> None:
    assert not is_target_set(target)


POLICIES = st.builds(
    lambda low, more, step, retries, daily: Policy(retries, low, low + more, step, daily),
    st.integers(1, 3_600_000),
    st.integers(0, 10_800_000),
    st.integers(1, 14_400_000),
    st.integers(0, 64),
    st.integers(0, 12),
)
DICE = st.floats(0, 1, exclude_max=True)


@settings(max_examples=400)
@given(st.integers(0, 10_000), POLICIES, DICE)
def test_a_delay_is_within_its_clamps_and_its_jitter_within_its_window(
    attempt: int, policy: Policy, dice: float
) -> None:
    wait = delay(attempt, policy, dice)
    base = min(policy.sleep_min_ms * 2**attempt, policy.sleep_max_ms)
    assert policy.sleep_min_ms <= wait <= policy.sleep_max_ms
    assert base <= wait < base + policy.sleep_step_ms


def acts(decision: Decision) -> bool:
    return decision.verdict in (Verdict.RETRY, Verdict.PAUSE)


FAILURES = st.builds(
    Failure,
    domain=st.just("d"),
    target=st.just("t"),
    kind=st.sampled_from(FailureClass),
    deadline_ms=st.sampled_from([0, NOW, NOW + 1, NOW + 400_000, NOW + 10**9]),
    window_end_ms=st.sampled_from([0, NOW, NOW + 400_000, NOW + 10**9]),
    defer=st.booleans(),
    route_trouble=st.sampled_from([None, *RouteTrouble]),
)
INCIDENTS = st.one_of(
    st.none(),
    st.builds(
        lambda state, attempt, last, holds: replace(INCIDENT, state=state, attempt=attempt, last_act=last, holds=holds),
        st.sampled_from(State),
        st.integers(0, 10_000),
        st.sampled_from(["", "retry", "pause"]),
        st.integers(0, 3),
    ),
)


AROUNDS = st.builds(
    Surroundings,
    paused=st.sampled_from(["", "", "p1 (all, joel): why"]),
    blind=st.sampled_from(["", "", "all fails"]),
    failing=st.integers(0, 6),
    storm_until_ms=st.sampled_from([0, 0, NOW, NOW + 1]),
    storms=st.integers(0, 4),
    outages=st.lists(st.integers(NOW - 10**9, NOW), max_size=8).map(lambda times: tuple(sorted(times))),
)


@settings(max_examples=1_000)
@given(FAILURES, INCIDENTS, st.builds(Budgets, st.integers(0, 20), st.integers(0, 70)), POLICIES, DICE, AROUNDS)
def test_no_act_passes_a_deadline_a_budget_a_pause_or_a_storm(
    failure: Failure, incident: Incident | None, budgets: Budgets, policy: Policy, dice: float, around: Surroundings
) -> None:
    decision = decide(failure, incident, budgets, now=NOW, policy=policy, dice=dice, around=around)
    assert decision == decide(failure, incident, budgets, now=NOW, policy=policy, dice=dice, around=around)
    if not acts(decision):
        return
    used = budgets.retries_today
    assert not around.paused
    assert not around.blind
    assert around.storms < STORMS_BLIND
    assert around.storm_until_ms <= NOW
    assert around.failing + 1 < policy.storm_targets
    assert not flaps_shortly(around.outages, policy.flap_outages, policy.flap_half_life_ms)
    assert not failure.deadline_ms or decision.due_ms <= failure.deadline_ms
    assert decision.next_attempt <= policy.max_retries
    assert policy.sleep_min_ms <= decision.delay_ms <= policy.sleep_max_ms
    assert failure.kind is not FailureClass.PERMANENT
    if decision.verdict is Verdict.RETRY:
        assert used < policy.retries_per_day
        assert budgets.retries_of_all < policy.all_retries_per_hour
        assert failure.route_trouble is None
        assert not failure.window_end_ms or decision.due_ms <= failure.window_end_ms
        assert failure.kind is not FailureClass.DEFERRED
    else:
        assert incident is None or incident.last_act != "pause"


@given(FAILURES, st.builds(Budgets, st.integers(0, 20), st.integers(0, 70)), POLICIES, st.sampled_from(["", "joel"]))
def test_an_order_binds_itself_to_switch_route_and_rolling_budgets(
    failure: Failure, budgets: Budgets, policy: Policy, stopped: str
) -> None:
    lost = replace(INCIDENT, state=State.ESCALATED, attempt=99)
    decision = order(failure, lost, budgets, now=NOW, policy=replace(policy, stopped=stopped), actor="ann")
    free = budgets.retries_today < policy.retries_per_day and budgets.retries_of_all < policy.all_retries_per_hour
    assert (decision.rule is Rule.ORDERED) is (free and not stopped and failure.route_trouble is None)
    assert decision.due_ms in (0, NOW)


def test_a_failure_and_its_surroundings_come_back_from_an_audit_line_as_they_were() -> None:
    for failure, *_ in CASES.values():
        assert Failure.from_json(failure.to_json()) == failure
    for around in AROUND.values():
        assert Surroundings.from_json(json.loads(json.dumps(around.to_json()))) == around
