"""The switch's one page, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw_backup.failure import FailureClass
from joelclaw_backup.policy import needs_a_person
from joelclaw_backup.switch import (
    TRANSIENT,
    Move,
    Patience,
    Rule,
    Tried,
    Waited,
    concerns_the_way,
    next_move,
    verdict_of,
    wait_ms,
)
from joelclaw_router.adapters import adapter_of
from joelclaw_router.adapters.adapter import Symptom
from joelclaw_router.failure import FailureClass as RoutersClass

BOTH = ("local", "remote")
LOCAL = Tried("local", FailureClass.NOT_MOUNTED, "not mounted")
REMOTE = Tried("remote", FailureClass.CONNECTION_REFUSED, "refused")
CHANGED = Tried("remote", FailureClass.HOST_KEY_MISMATCH, "another key")
FULL = Tried("local", FailureClass.NO_SPACE_LEFT, "full")
PATIENT = Patience(attempts=12)


def move(*history, ways=BOTH, patience=PATIENT, queue=True, dice=0.0, left_ms=None) -> Move:
    return next_move(history, ways, patience, queue=queue, dice=dice, left_ms=left_ms)


@pytest.mark.parametrize(
    ("history", "more", "wanted"),
    [
        ([], {}, Move("use", Rule.PREFERRED, "local")),
        ([], {"ways": ("remote", "local")}, Move("use", Rule.PREFERRED, "remote")),
        ([LOCAL], {}, Move("use", Rule.OTHER, "remote")),
        ([FULL], {}, Move("use", Rule.OTHER, "remote")),
        ([LOCAL, REMOTE], {}, Move("wait", Rule.WAIT, ms=10_000)),
        ([LOCAL, REMOTE], {"dice": 0.5}, Move("wait", Rule.WAIT, ms=10_500)),
        ([LOCAL, REMOTE, Waited()], {}, Move("use", Rule.AGAIN, "local")),
        ([LOCAL, REMOTE, Waited(), LOCAL], {}, Move("use", Rule.OTHER, "remote")),
        ([LOCAL, REMOTE, Waited(), LOCAL, REMOTE], {}, Move("wait", Rule.WAIT, ms=20_000)),
        ([LOCAL, CHANGED], {}, Move("wait", Rule.WAIT, ms=10_000)),
        ([LOCAL, CHANGED, Waited()], {}, Move("use", Rule.AGAIN, "local")),
        ([LOCAL, CHANGED, Waited(), LOCAL], {}, Move("wait", Rule.WAIT, ms=20_000)),
        ([FULL, CHANGED], {}, Move("give-up", Rule.NO_WAY)),
        ([CHANGED], {"ways": ("remote",)}, Move("give-up", Rule.NO_WAY)),
        ([LOCAL, REMOTE], {"patience": Patience(attempts=2)}, Move("queue", Rule.QUEUED)),
        ([LOCAL], {"patience": Patience(), "ways": ("local",), "queue": False}, Move("give-up", Rule.SPENT)),
        ([LOCAL, REMOTE], {"left_ms": 9_999}, Move("queue", Rule.QUEUED)),
        ([LOCAL, REMOTE], {"left_ms": 9_999, "queue": False}, Move("give-up", Rule.SPENT)),
        ([LOCAL, REMOTE], {"left_ms": 10_000}, Move("wait", Rule.WAIT, ms=10_000)),
    ],
)
def test_what_happened_so_far_decides_the_next_move(history, more, wanted):
    assert move(*history, **more) == wanted


def test_waits_double_up_to_the_cap_with_a_jitter_of_at_most_a_second_or_a_fifth():
    assert [wait_ms(n, PATIENT, 0.0) for n in range(6)] == [10_000, 20_000, 40_000, 80_000, 120_000, 120_000]
    assert wait_ms(0, PATIENT, 0.999) < 11_000
    assert wait_ms(0, Patience(base_ms=100), 0.999) < 120
    assert wait_ms(10_000, PATIENT, 0.0) == 120_000


@given(st.lists(st.sampled_from([LOCAL, REMOTE]), max_size=14), st.integers(1, 12))
def test_it_always_ends_and_never_tries_more_often_than_it_may(outcomes, attempts):
    history: list[Tried | Waited] = []
    for _ in range(3 * attempts + 3):
        next_one = move(*history, patience=Patience(attempts=attempts))
        if next_one.act == "queue":
            break
        history.append(Waited() if next_one.act == "wait" else LOCAL if next_one.mode == "local" else REMOTE)
    assert next_one.act == "queue"
    assert sum(isinstance(entry, Tried) for entry in history) == attempts


def test_a_way_that_failed_for_good_is_never_tried_again():
    history: list[Tried | Waited] = []
    while (next_one := move(*history)).act != "queue":
        history.append(Waited() if next_one.act == "wait" else LOCAL if next_one.mode == "local" else CHANGED)
    assert history.count(CHANGED) == 1


def test_what_a_person_must_mend_stands_for_all():
    assert verdict_of([LOCAL, CHANGED, Waited(), LOCAL]) == CHANGED
    assert verdict_of([LOCAL, REMOTE]) == REMOTE


@pytest.mark.parametrize("kind", FailureClass)
def test_a_failure_is_transient_here_if_and_only_if_it_is_for_the_router(kind):
    judged = adapter_of("backup").classify(Symptom("", kind))
    assert (judged is RoutersClass.TRANSIENT) == (kind in TRANSIENT)
    assert concerns_the_way(kind) == (kind in TRANSIENT or needs_a_person(kind))


def test_every_rule_is_seen_here_or_with_the_drainer():
    seen = {
        move().rule,
        move(LOCAL).rule,
        move(LOCAL, REMOTE).rule,
        move(LOCAL, REMOTE, Waited()).rule,
        move(FULL, CHANGED).rule,
        move(LOCAL, REMOTE, patience=Patience(2)).rule,
        move(LOCAL, patience=Patience(1), queue=False).rule,
    }
    assert seen | {Rule.DRAINED} == set(Rule)
