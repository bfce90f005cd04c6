"""Whose word on the primary counts, when the sentinels are of different minds."""

from __future__ import annotations

from typing import Any

import pytest

from joelclaw_bus.sentinel import choose

OLD, NEW = ("10.0.0.1", 1), ("10.0.0.2", 2)


def row(epoch: int, *, down: bool = False, agreed: bool = False) -> dict[str, Any]:
    return {"config-epoch": epoch, "ip": OLD[0], "port": OLD[1], "is_sdown": down, "is_odown": agreed}


def test_the_leader_of_a_failover_is_believed_before_the_others_know() -> None:
    """Also when the old primary is up again, and everybody else still calls it well."""
    assert choose([(row(0), OLD), (row(1), NEW), (row(0), OLD)]) == NEW


def test_a_primary_that_is_down_is_none() -> None:
    assert choose([(row(0, down=True), OLD), (row(0, down=True), OLD)]) is None


@pytest.mark.parametrize("order", [1, -1])
def test_one_sentinel_that_alone_calls_it_down_is_not_believed_whoever_answers_first(order: int) -> None:
    assert choose([(row(1, down=True), OLD), (row(1), OLD), (row(1), OLD)][::order]) == OLD
    assert choose([(row(1, down=True), OLD), (row(1, down=True), OLD), (row(1), OLD)][::order]) is None


@pytest.mark.parametrize("order", [1, -1])
def test_what_the_sentinels_agreed_on_counts_though_one_alone_tells_it(order: int) -> None:
    """Who asks the others knows their answer; they do not know each other's."""
    assert choose([(row(1, down=True, agreed=True), OLD), (row(1), OLD), (row(1), OLD)][::order]) is None


@pytest.mark.parametrize("order", [1, -1])
def test_of_the_newest_words_the_one_that_names_another_counts(order: int) -> None:
    assert choose([(row(1), NEW), (row(1), OLD)][::order]) == NEW


def test_the_new_primary_counts_while_the_row_still_names_the_dead_one() -> None:
    assert choose([(row(0, down=True), OLD), (row(1, down=True), NEW)]) == NEW


def test_without_a_word_there_is_no_primary() -> None:
    assert choose([]) is None
