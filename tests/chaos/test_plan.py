"""The plan is the seed's, and holds what it must."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.chaos.load import KINDS, job_of
from tests.chaos.plan import LONG, SEATS, SHORT, Sizes, draw, with_spare


def test_a_seed_names_one_plan() -> None:
    assert draw(LONG, 7) == draw(LONG, 7)
    assert draw(LONG, 7) != draw(LONG, 8)


@pytest.mark.parametrize("sizes", [LONG, SHORT], ids=["long", "short"])
def test_a_plan_holds_every_count_and_in_each_round_one_seat_is_not_killed(sizes: Sizes) -> None:
    for seed in range(20):
        rounds = draw(sizes, seed)
        acts = Counter(fault.act for a_round in rounds for fault in a_round.faults)
        assert acts == Counter(
            kill=sizes.kills, stop=sizes.stops, store=sizes.store_kills, cut=sizes.cuts, hole=sizes.holes
        )
        for a_round in rounds:
            assert len({f.seat for f in a_round.faults if f.act == "kill"}) < SEATS
            assert a_round.calm > sizes.lease + 1, "else no takeover could be judged"


def test_stops_are_longer_than_a_lease_and_there_is_some_more_of_everything_than_must_be() -> None:
    spare = with_spare(LONG)
    assert (spare.kills, spare.stops, spare.store_kills, spare.cuts, spare.holes) == (111, 23, 12, 56, 12)
    stops = [f for a_round in draw(spare, 1) for f in a_round.faults if f.act == "stop"]
    assert all(f.seconds > LONG.lease for f in stops)


def test_a_run_is_the_same_whenever_it_is_drawn_and_all_kinds_come() -> None:
    drawn = [job_of(n, 3, newer=False) for n in range(1000)]
    assert drawn == [job_of(n, 3, newer=False) for n in range(1000)]
    assert {job.kind for _, job, _ in drawn} == set(KINDS)
    assert all(job.kind in event_id for event_id, job, _ in drawn)
