"""When a queued set is tried again, line by line."""

from __future__ import annotations

import pytest

from joelclaw_backup.due import LONGEST_MS, MINUTE_MS, due_again, due_again_ms
from joelclaw_backup.failure import FailureClass
from joelclaw_backup.records import iso
from joelclaw_backup.switch import concerns_the_way
from joelclaw_backup.waiting_sets import Queued

AT = 1_795_000_000_000
DATA = [failure for failure in FailureClass if not concerns_the_way(failure)]


def tried(failure: str, times: int = 1) -> Queued:
    return Queued(id="i", queued_at=iso(AT - 1), tries=40, tries_of_data=times, tried_at=iso(AT), failure=failure)


@pytest.mark.parametrize("failure", [f for f in FailureClass if concerns_the_way(f)])
def test_a_set_that_a_way_kept_is_tried_at_the_next_tick_however_often_that_was(failure: FailureClass):
    assert (due_again(tried(failure, 0), AT), due_again_ms(tried(failure, 0))) == (True, None)


@pytest.mark.parametrize("failure", DATA)
def test_a_set_whose_data_are_the_trouble_waits(failure: FailureClass):
    record = tried(failure)
    assert not due_again(record, AT)
    assert not due_again(record, AT + 2 * MINUTE_MS - 1)
    assert due_again(record, AT + 2 * MINUTE_MS)


@pytest.mark.parametrize(("times", "minutes"), [(1, 2), (2, 4), (8, 256), (9, 360), (10, 360), (100_000, 360)])
def test_the_wait_doubles_up_to_six_hours_and_ways_that_failed_before_do_not_count(times: int, minutes: int):
    assert due_again_ms(tried("hash-differs", times)) == AT + minutes * MINUTE_MS


@pytest.mark.parametrize("failure", ["", "unreadable", "a word of another version"])
def test_what_was_never_tried_or_is_not_known_is_due(failure: str):
    assert due_again(tried(failure), AT)
    assert due_again(Queued(id="i", queued_at=iso(AT), failure="hash-differs"), AT)


def test_a_clock_that_was_set_back_makes_nobody_wait_for_ever():
    assert due_again(tried("did-not-start", 20), AT - LONGEST_MS)
    assert due_again(tried("did-not-start"), AT - LONGEST_MS)
