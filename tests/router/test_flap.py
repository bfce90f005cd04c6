"""One blip never flaps, one outage in every so many hours for ever does, and flapping ends later than it began."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from joelclaw_router.flap import flaps_for_long, flaps_shortly

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = 1_700_000_000_000


def flaps(*minutes: float) -> bool:
    """Outages at these minutes, by the defaults of the short rule."""
    return flaps_shortly([NOW + round(m * MINUTE) for m in minutes], 3, HOUR)


def test_three_in_quick_succession_flap_and_two_never_do() -> None:
    assert flaps(0, 10, 20)
    assert not flaps(0, 10)
    assert not flaps(0, 0.001)
    assert not flaps(0, 60, 120), "an hour apart is no quick succession"


def test_newer_outages_weigh_more() -> None:
    assert flaps(0, 300, 310, 320)
    assert not flaps(0, 10, 300, 400)


def test_flapping_ends_later_than_it_begins() -> None:
    """One more an hour after three keeps it up, though the three and one alone would not have begun it."""
    assert flaps(0, 10, 20, 80)
    assert not flaps(0, 60, 120, 180)
    assert not flaps(0, 10, 20, 500), "after hours of quiet a new one is a single blip"


@given(st.integers(1, NOW), st.integers(1, 100), st.integers(1, 10**9))
def test_a_single_blip_never_flaps(at: int, n: int, half_life: int) -> None:
    assert not flaps_shortly([at], n, half_life)
    assert not flaps_for_long([at], at, n, half_life)


@given(st.integers(MINUTE, DAY), st.integers(2, 20))
def test_one_in_every_so_long_for_ever_is_flagged_by_the_long_rule(apart: int, n: int) -> None:
    times = [NOW + k * apart for k in range(n)]
    window = apart * n
    assert flaps_for_long(times, times[-1], n, window)
    assert not flaps_for_long(times[1:], times[-1], n, window)
    assert not flaps_for_long(times, times[-1] + window, n, window), "what is old counts no more"


def test_the_spacing_does_not_matter_to_the_long_rule() -> None:
    for gaps in itertools.permutations((1, 5, 40)):
        times = [NOW + sum(gaps[:k]) * HOUR for k in range(4)]
        assert flaps_for_long(times, times[-1], 4, 2 * DAY)


@given(st.lists(st.integers(1, NOW), max_size=20))
def test_nought_switches_either_rule_off(times: list[int]) -> None:
    assert not flaps_shortly(times, 0, HOUR)
    assert not flaps_for_long(times, NOW, 0, DAY)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=20))
def test_the_order_in_which_outages_are_told_does_not_matter(times: list[int]) -> None:
    assert flaps_shortly(times, 3, HOUR) is flaps_shortly(sorted(times, reverse=True), 3, HOUR)
