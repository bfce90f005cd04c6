"""Which verified sets go."""

from __future__ import annotations

import pytest

from joelclaw_backup.retention import Kept, Rule, keep

NOW = 1_000


def sets(*times):
    return [Kept(f"set-{t}", t, 10) for t in times]


def ids(kept):
    return [k.verified_ms for k in kept]


@pytest.mark.parametrize(
    ("times", "last", "pruned"),
    [
        ((), 2, []),
        ((1,), 2, []),
        ((1, 2, 3), 2, [1]),
        ((3, 1, 2), 1, [1, 2]),
        ((1, 2, 3), 7, []),
        ((1, 2), 0, [1]),  # the last good one stays whatever the rule says
        ((1, 2, 5_000), 2, []),  # a clock ran ahead: that one pushes nobody out
        ((1, 2, 3, 5_000), 2, [1]),
    ],
)
def test_the_newest_verified_sets_stay(times, last, pruned):
    plan = keep(sets(*times), NOW, Rule(last))
    assert ids(plan.prune) == pruned
    assert sorted(ids(plan.keep) + pruned) == sorted(times)


def test_age_is_when_it_was_verified_and_not_its_name():
    old, new = Kept("99991231T000000Z-aaaaaaaaaaaa", 1, 10), Kept("20200101T000000Z-bbbbbbbbbbbb", 2, 10)
    assert keep([old, new], NOW, Rule(1)).prune == (old,)
