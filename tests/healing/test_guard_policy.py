"""May it act? The page's table, a third time; and what must hold whatever happened."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from joelclaw_healing.guard_policy import allowed_at_once, entry, intended, next_step, noted, settled, spent
from joelclaw_healing.guard_rules import Rule

NOW = 10 * DAY_MS
LIMITS = GuardLimits()
FAILING = Symptom(Seen.FAILING, "connection refused", "p1")
OK = Symptom(Seen.OK, "200", "p1")
UNKNOWN = Symptom(Seen.UNKNOWN, "timed out", "p1")
CONFIRMED = Record(failing=3, identity="p1")
INTENT = Intent("run:judge", 1, NOW - 10, NOW + 1_000, "a", "it is down")
HOUR = tuple(NOW - n for n in range(3))
DAY = tuple(NOW - HOUR_MS - n for n in range(7))


@pytest.mark.parametrize(
    ("rule", "symptom", "history", "forced"),
    [
        (Rule.INTERRUPTED, FAILING, History(replace(CONFIRMED, intent=replace(INTENT, until_ms=NOW))), None),
        (Rule.HEALTHY, OK, History(), Rule.FORCED),
        (Rule.UNKNOWN, UNKNOWN, History(CONFIRMED), Rule.FORCED),
        (Rule.IN_FLIGHT, FAILING, History(replace(CONFIRMED, intent=INTENT)), None),
        (Rule.STARTING, replace(FAILING, age_ms=119_999), History(CONFIRMED), Rule.FORCED),
        (Rule.STARTING, replace(FAILING, age_ms=5_000), History(CONFIRMED, acts=(NOW - 5_000,)), None),
        (Rule.STARTING, replace(FAILING, age_ms=5_000), History(CONFIRMED, acts=(NOW - 120_000,)), Rule.FORCED),
        (Rule.UNCONFIRMED, FAILING, History(replace(CONFIRMED, failing=2)), Rule.FORCED),
        (Rule.KILL_SWITCH, FAILING, History(CONFIRMED, stopped="joel: moving"), None),
        (Rule.PAUSED, FAILING, History(CONFIRMED, paused="p1 (all, joel): moving"), Rule.FORCED),
        (Rule.ALL_SPENT, FAILING, History(CONFIRMED, all_acts=10), None),
        (Rule.RUNS_ACTIVE, replace(FAILING, active_runs=1), History(CONFIRMED), None),
        (Rule.ACTION_OFF, FAILING, History(replace(CONFIRMED, off="bad")), Rule.FORCED),
        (Rule.HOLD, FAILING, History(replace(CONFIRMED, hold_until_ms=NOW + 1)), Rule.FORCED),
        (Rule.COOL_DOWN, FAILING, History(replace(CONFIRMED, cool_until_ms=NOW + 1)), Rule.FORCED),
        (Rule.HOUR_SPENT, FAILING, History(CONFIRMED, acts=HOUR), None),
        (Rule.DAY_SPENT, FAILING, History(CONFIRMED, acts=DAY), None),
        (Rule.GROUP_SPENT, FAILING, History(CONFIRMED, group_size=9, group_acting=2), None),
        (Rule.PERMITTED, FAILING, History(CONFIRMED, group_size=9, group_acting=1), Rule.FORCED),
        (Rule.PERMITTED, replace(FAILING, age_ms=120_000), History(replace(CONFIRMED, cool_until_ms=NOW)), Rule.FORCED),
    ],
)
def test_the_first_rule_that_holds_rules_and_a_persons_order_skips_what_restrains_an_automaton(
    rule: Rule, symptom: Symptom, history: History, forced: Rule | None
) -> None:
    assert next_step(symptom, history, NOW, LIMITS).rule is rule
    assert next_step(replace(symptom, forced_by="joel"), history, NOW, LIMITS).rule is (forced or rule)


@pytest.mark.parametrize(
    ("rule", "intent", "me", "symptom", "found"),
    [
        (Rule.ENTERED, INTENT, "a", FAILING, False),
        (Rule.RESUMED, INTENT, "b", FAILING, False),
        (Rule.ANNULLED, INTENT, "a", OK, False),
        (Rule.ANNULLED, INTENT, "b", UNKNOWN, False),
        (Rule.ENTERED, replace(INTENT, forced_by="joel"), "a", OK, False),
        (Rule.FOUND_DONE, replace(INTENT, entered_by="a"), "b", OK, True),
        (Rule.INTERRUPTED, replace(INTENT, entered_by="a"), "b", FAILING, False),
        (Rule.INTERRUPTED, replace(INTENT, entered_by="a"), "a", FAILING, False),
    ],
)
def test_an_act_is_looked_at_again_before_it_begins_and_never_begun_twice(
    rule: Rule, intent: Intent, me: str, symptom: Symptom, found: bool
) -> None:
    assert entry(intent, me, symptom, found).rule is rule


def test_confirmations_are_in_a_row_and_of_one_incarnation() -> None:
    record = Record()
    for symptom, failing in [
        (FAILING, 1),
        (FAILING, 2),
        (UNKNOWN, 0),
        (FAILING, 1),
        (replace(FAILING, identity="p2"), 1),
        (replace(FAILING, identity="p2"), 2),
        (OK, 0),
    ]:
        record = noted(record, symptom, NOW, LIMITS)
        assert record.failing == failing


def test_a_recovery_that_held_ends_the_cool_down_and_the_hold_early() -> None:
    record = Record(cool_until_ms=NOW + DAY_MS, hold_until_ms=NOW + DAY_MS)
    for n in range(5):
        record = noted(record, OK, NOW + n * 18_000, LIMITS)
        assert record.cool_until_ms
    record = noted(record, OK, NOW + 90_000, LIMITS)
    assert (record.cool_until_ms, record.hold_until_ms) == (0, 0)


def test_six_passes_in_a_moment_are_no_recovery() -> None:
    record = Record(cool_until_ms=NOW + DAY_MS)
    for n in range(20):
        record = noted(record, OK, NOW + n, LIMITS)
    assert record.cool_until_ms


def test_an_act_that_failed_is_held_and_mostly_bad_outcomes_turn_the_action_off_until_one_is_good() -> None:
    record = intended(CONFIRMED, "r", "a", FAILING, "down", NOW, LIMITS)
    assert (record.fence, record.cool_until_ms) == (NOW, NOW + 900_000)
    for outcome, off in [("fixed", ""), ("failed", ""), ("skipped", ""), ("unverified", ""), ("failed", "1 of its")]:
        record = settled(record, Outcome(outcome), NOW, LIMITS)
        assert off in record.off
        assert bool(record.off) == bool(off)
    assert record.hold_until_ms == NOW + 1_800_000
    assert record.outcomes == ("fixed", "failed", "unverified", "failed")
    assert settled(record, Outcome.FIXED, NOW, LIMITS).off == ""


def test_half_good_is_good_enough() -> None:
    record = Record()
    for outcome in (Outcome.FAILED, Outcome.FIXED, Outcome.FIXED, Outcome.FAILED):
        record = settled(record, outcome, NOW, LIMITS)
    assert record.off == ""


@pytest.mark.parametrize(("size", "allowed"), [(1, 1), (3, 1), (6, 1), (7, 2), (10, 3)])
def test_a_share_of_a_group_and_at_least_one(size: int, allowed: int) -> None:
    assert allowed_at_once(size, LIMITS) == allowed


LOOKS = st.lists(
    st.tuples(st.sampled_from([OK, FAILING, UNKNOWN]), st.integers(0, HOUR_MS), st.booleans()), max_size=60
)


@given(LOOKS, st.sampled_from(list(Outcome)))
def test_whatever_is_seen_no_hour_has_more_than_three_acts_no_day_more_than_seven(
    looks: list[tuple[Symptom, int, bool]], outcome: Outcome
) -> None:
    """Forced ones too; and never one on an unknown or good look that nobody ordered."""
    record, acts, now = Record(), (), NOW
    for symptom, pause, forced in looks:
        now += pause
        asked = replace(symptom, forced_by="joel" if forced else "")
        record = noted(record, asked, now, LIMITS)
        rule = next_step(asked, History(record, acts), now, LIMITS).rule
        if not rule.acts:
            continue
        assert forced or symptom.seen is Seen.FAILING
        assert forced or record.failing >= 3
        record = settled(intended(record, "r", "a", asked, "", now, LIMITS), outcome, now, LIMITS)
        acts = (*acts, now)
        hour, day = spent(acts, now)
        assert hour <= 3
        assert day <= 7
