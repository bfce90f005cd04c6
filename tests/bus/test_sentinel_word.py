"""Whose word on the primary counts, when the sentinels are of different minds."""

from __future__ import annotations

from typing import Any

from joelclaw_bus.sentinel import choose

OLD, NEW = ("10.0.0.1", 1), ("10.0.0.2", 2)


def row(epoch: int, *, down: bool = False) -> dict[str, Any]:
    return {"config-epoch": epoch, "ip": OLD[0], "port": OLD[1], "is_sdown": down, "is_odown": False}


def test_the_leader_of_a_failover_is_believed_before_the_others_know() -> None:
    """Also when the old primary is up again, and everybody else still calls it well."""
    assert choose([(row(0), OLD), (row(1), NEW), (row(0), OLD)]) == NEW


def test_a_primary_that_is_down_is_none() -> None:
    assert choose([(row(0, down=True), OLD), (row(0, down=True), OLD)]) is None


def test_the_new_primary_counts_while_the_row_still_names_the_dead_one() -> None:
    assert choose([(row(0, down=True), OLD), (row(1, down=True), NEW)]) == NEW


def test_without_a_word_there_is_no_primary() -> None:
    assert choose([]) is None
