from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from joelclaw_router.clamps import Knobs, Wish, clamped

ANY = st.one_of(st.none(), st.integers(0, 10**18))


def test_a_request_without_wishes_gets_the_configuration() -> None:
    assert clamped(Wish(), Knobs()) == Knobs(5, 300_000, 14_400_000, 30_000)


def test_a_request_that_wants_too_little_gets_the_floors() -> None:
    assert clamped(Wish(0, 0, 0, 0), Knobs()) == Knobs(0, 5_000, 5_000, 5_000)


def test_a_request_that_wants_too_much_gets_the_ceilings() -> None:
    much = 10**18
    assert clamped(Wish(much, much, much, much), Knobs()) == Knobs(64, 3_600_000, 14_400_000, 14_400_000)


def test_configuration_can_lower_the_most_retries() -> None:
    assert clamped(Wish(max_retries=64), Knobs(), retries_max=3).max_retries == 3


def test_configuration_below_a_floor_lowers_it_for_requests() -> None:
    small = Knobs(5, 1, 50, 1)
    assert clamped(Wish(sleep_min_ms=0, sleep_max_ms=20, sleep_step_ms=0), small) == Knobs(5, 1, 20, 1)


def test_a_configured_ceiling_below_the_wished_floor_rises_to_it() -> None:
    assert clamped(Wish(sleep_min_ms=600_000), Knobs(5, 300_000, 400_000, 30_000)).sleep_max_ms == 600_000


@given(st.builds(Wish, ANY, ANY, ANY, ANY), st.integers(1, 3_600_000), st.integers(1, 14_400_000))
def test_whatever_is_wished_the_bounds_hold(wish: Wish, low: int, step: int) -> None:
    got = clamped(wish, Knobs(5, low, 14_400_000, step))
    assert 0 <= got.max_retries <= 64
    assert min(5_000, low) <= got.sleep_min_ms <= 3_600_000
    assert got.sleep_min_ms <= got.sleep_max_ms <= 14_400_000
    assert min(5_000, step, got.sleep_max_ms) <= got.sleep_step_ms <= got.sleep_max_ms
