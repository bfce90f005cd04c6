"""What may be a poison: where, when and beside what it begins; so that no innocent is buried, and none is stuck."""

from __future__ import annotations

import anyio
import pytest

from joelclaw_bus import Event, Functions, Limits, SlotCalls, Step, Store, event
from joelclaw_bus.observer import RunEnded
from joelclaw_bus.suspects import ALONE_FROM, CALM_LEASES, LANE, LAST, STORM_LEASES, Calm, Way, way_of
from tests.bus.test_takeover import FN, Left, left_behind
from tests.support.looks import LEASE_MS, Hands, pending, taking_over
from tests.support.seen import Seen
from tests.support.workers import working

MOST = Limits().begins


@pytest.mark.parametrize("calm", [True, False])
def test_the_first_begins_wait_for_nothing(calm: bool) -> None:
    assert [way_of(n, MOST, waiting=LANE, calm=calm) for n in range(ALONE_FROM)] == [Way.BESIDE] * ALONE_FROM


@pytest.mark.parametrize("calm", [True, False])
def test_a_burial_waits_for_nothing_since_no_handler_runs(calm: bool) -> None:
    assert way_of(MOST, MOST, waiting=LANE, calm=calm) is Way.BESIDE


@pytest.mark.parametrize("begins", range(ALONE_FROM, MOST))
def test_a_suspect_has_its_process_to_itself_as_far_as_others_go_or_is_left_to_another(begins: int) -> None:
    ways = [way_of(begins, MOST, waiting=waiting, calm=True) for waiting in range(LANE + 2)]
    assert ways == [Way.ALONE] * LANE + [Way.LATER] * 2


def test_in_a_storm_no_run_comes_so_far_that_it_could_be_buried() -> None:
    ways = [way_of(begins, MOST, waiting=0, calm=False) for begins in range(MOST)]
    assert ways.index(Way.LATER) == MOST - LAST
    assert set(ways[MOST - LAST :]) == {Way.LATER}


def test_calm_begins_some_leases_after_the_last_loss() -> None:
    at = 0.0
    calm = Calm(1_000, lambda: at)
    assert not calm.now, "what was before us we don't know"
    at = CALM_LEASES * 1_000
    assert calm.now
    calm.lost()
    assert not calm.now
    at += CALM_LEASES * 1_000 - 1
    assert not calm.now
    at += 1
    assert calm.now


def test_a_storm_that_spares_a_process_for_long_is_waited_out_no_longer_and_the_next_one_is() -> None:
    at = 0.0
    calm = Calm(1_000, lambda: at)
    for _ in range(STORM_LEASES - 1):
        at += 1_000
        calm.lost()
        assert not calm.now
    at += 1_000
    calm.lost()
    assert calm.now
    at += CALM_LEASES * 1_000
    calm.lost()
    assert not calm.now, "another storm"


async def test_the_last_begins_before_a_burial_come_in_calm_only(one_store: Store) -> None:
    await SlotCalls(one_store, Limits()).ensure_group(one_store.keys.slot("test/asked"), "test/ask")
    lost = await pending(one_store, "dead", 1, idle_ms=LEASE_MS + 1)
    hands, at = Hands(begins=MOST - LAST), 0.0
    takeover = taking_over(one_store, hands, Seen(), lambda: at)
    assert await takeover.step() == 0
    assert (hands.let_go, len(takeover.lane)) == (lost, 0)
    await one_store.call("XCLAIM", "test/asked", "test/ask", "healer", 0, *lost, "IDLE", LEASE_MS + 1, "JUSTID")
    at = CALM_LEASES * LEASE_MS
    assert await takeover.step() == 1
    assert (hands.let_go, len(takeover.lane)) == (lost, 1)


async def test_work_that_was_lost_unsuspected_is_no_calm(one_store: Store) -> None:
    await SlotCalls(one_store, Limits()).ensure_group(one_store.keys.slot("test/asked"), "test/ask")
    at = CALM_LEASES * LEASE_MS
    takeover = taking_over(one_store, Hands(begins=ALONE_FROM - 1), Seen(), lambda: at)
    at *= 2
    assert takeover.calm.now
    await pending(one_store, "dead", 1, idle_ms=LEASE_MS + 1)
    assert await takeover.step() == 1
    assert not takeover.calm.now


async def test_suspects_are_shared_among_the_processes_rather_than_hoarded_by_one(one_store: Store) -> None:
    """Each waits for one in another process, and for nobody else."""
    busy, both = set[int](), anyio.Event()

    def worker(number: int) -> Functions:
        functions = Functions()

        @functions.function(FN, on=[event(Left)], retries=1)
        async def meet(e: Event[Left], step: Step) -> None:
            busy.add(number)
            if len(busy) == 2:
                both.set()
            await both.wait()

        return functions

    await left_behind(one_store, LANE + 3, begins=ALONE_FROM)
    seen = Seen()
    async with (
        working(one_store, worker(1), lease_ms=1_000, seen=seen),
        working(one_store, worker(2), lease_ms=1_000, seen=seen),
    ):
        ended = await seen.wait(RunEnded, LANE + 3)
    assert {e.status for e in ended} == {"completed"}
