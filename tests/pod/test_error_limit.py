from __future__ import annotations

from joelclaw_pod.error_limit import MOST, ErrorLimit, Summary, error_class

A = ("backup", "copy", "Boom")


def test_the_first_few_are_kept_and_the_rest_become_one_count() -> None:
    limit = ErrorLimit(burst=3, window=60)
    assert [limit.allows(A, now) for now in (0, 1, 2, 3, 4)] == [True, True, True, False, False]
    assert limit.summaries(59) == []
    assert limit.summaries(60) == [Summary(A, 2, 0, 4)]
    assert limit.summaries(1000) == []


def test_a_new_window_keeps_some_again_and_loses_no_count() -> None:
    limit = ErrorLimit(burst=1, window=60)
    limit.allows(A, 0)
    limit.allows(A, 1)
    assert limit.allows(A, 61)
    assert limit.summaries(61) == [Summary(A, 1, 0, 1)]


def test_one_errors_storm_hides_no_other_error() -> None:
    limit = ErrorLimit(burst=1)
    for _ in range(100):
        limit.allows(A, 0)
    assert limit.allows(("backup", "copy", "Other"), 0)
    assert limit.allows(("health", "copy", "Boom"), 0)


def test_a_million_fingerprints_stay_bounded_and_none_is_lost_unsaid() -> None:
    limit = ErrorLimit(burst=1)
    for n in range(MOST + 10):
        limit.allows(("c", "a", str(n)), 0)
        limit.allows(("c", "a", str(n)), 0)
    assert len(limit.summaries(0)) == 10
    assert len(limit.summaries(0, all_of_them=True)) == MOST


def test_the_class_of_an_error_is_not_its_text() -> None:
    assert error_class(ValueError("entry 17")) == "ValueError"
    assert error_class("timeout after 31 s: 10.0.0.7") == error_class("timeout after 29 s: 10.0.0.8")
