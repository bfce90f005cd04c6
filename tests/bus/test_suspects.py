"""What may be a poison: where, when and beside what it begins; so that no innocent is buried, and none is stuck."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from joelclaw_bus import Event, Functions, Limits, SlotCalls, Step, Store, event
from joelclaw_bus.door import Incoming
from joelclaw_bus.functions import Function
from joelclaw_bus.leases import Held
from joelclaw_bus.observer import RunEnded
from joelclaw_bus.suspects import (
    ALONE_FROM,
    CALM_LEASES,
    LANE,
    LAST,
    REMEMBERED,
    STORM_LEASES,
    Calm,
    Suspect,
    Way,
    way_of,
)
from joelclaw_bus.takeover import LOOKS_A_LEASE
from tests.bus.test_takeover import FN, Left, left_behind
from tests.support.looks import LEASE_MS, Hands, pending, taking_over
from tests.support.seen import Seen
from tests.support.workers import working

MOST = Limits().begins


def noting(begun: list[str]) -> Callable[[Function, Incoming, Held, Callable[[], None]], None]:
    """Begins nothing; what it is handed has ended at once."""

    def start(fn: Function, incoming: Incoming, held: Held, ended: Callable[[], None]) -> None:
        begun.append(incoming.entry)
        ended()

    return start


@pytest.mark.parametrize("calm", [True, False])
def test_the_first_begins_wait_for_nothing(calm: bool) -> None:
    assert [way_of(n, MOST, waiting=LANE, calm=calm) for n in range(ALONE_FROM)] == [Way.BESIDE] * ALONE_FROM


@pytest.mark.parametrize("calm", [True, False])
def test_a_burial_waits_for_nothing_since_no_handler_runs(calm: bool) -> None:
    assert way_of(MOST, MOST, waiting=LANE, calm=calm) is Way.BESIDE


@pytest.mark.parametrize("begins", range(ALONE_FROM, MOST))
def test_a_suspect_has_its_process_to_itself_as_far_as_others_go_or_is_left_to_another(begins: int) -> None:
    ways = [way_of(begins, MOST, waiting=waiting, calm=True) for waiting in range(LANE + 2)]
    assert ways == [Way.ALONE] * LANE + [Way.ELSEWHERE] * 2


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
    calm.took("one", "", "ours")
    assert not calm.now
    at += CALM_LEASES * 1_000 - 1
    assert not calm.now
    at += 1
    assert calm.now


def test_in_a_storm_without_an_end_one_last_begin_comes_through_and_the_next_waits_as_long() -> None:
    at = 0.0
    calm = Calm(1_000, lambda: at)
    for storm in range(2):
        for n in range(STORM_LEASES - 1):
            at += 1_000
            calm.took(f"{storm} {n}", "", "ours")
            assert not calm.now
        at += 1_000
        calm.took(f"{storm}", "", "ours")
        assert calm.now
        calm.used()
        assert not calm.now
    at += CALM_LEASES * 1_000
    assert calm.now
    calm.took("later", "", "ours")
    assert not calm.now, "another storm"


@pytest.mark.parametrize("begun", ["", "a newer build's"])
def test_what_nobody_can_begin_comes_each_lease_and_is_one_death_at_most(begun: str) -> None:
    at = 0.0
    calm = Calm(1_000, lambda: at)
    for lease in range(3 * STORM_LEASES):
        at = lease * 1_000
        calm.took("stuck", begun, f"our claim {lease}")
        assert calm.now == (lease >= CALM_LEASES)
    calm.took("stuck", f"our claim {lease}", "ours")
    assert calm.now, "only we began it, and we live"
    calm.took("stuck", "somebody else's", "ours")
    assert not calm.now, "somebody else began it, and is gone"


def test_what_is_remembered_of_the_stuck_has_a_bound() -> None:
    calm = Calm(1_000, lambda: 0.0)
    for n in range(2 * REMEMBERED):
        calm.took(str(n), "", "ours")
    assert len(calm._took) == REMEMBERED


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


async def test_what_has_no_place_here_is_there_for_the_next_who_looks(one_store: Store) -> None:
    await SlotCalls(one_store, Limits()).ensure_group(one_store.keys.slot("test/asked"), "test/ask")
    lost = await pending(one_store, "dead", LANE + 40, idle_ms=LEASE_MS + 1)
    full, idle = (taking_over(one_store, Hands(who, begins=ALONE_FROM), Seen()) for who in ("full", "idle"))
    for kept in (LANE, 0, 0):
        assert await full.step() == kept
    assert await idle.step() == LANE, "the other one sweeps the list as often as it likes, and keeps nothing from it"
    rows = await one_store.call("XPENDING", "test/asked", "test/ask", "IDLE", LEASE_MS, "-", "+", 100)
    assert len(rows) == len(lost) - 2 * LANE
    assert len(full.lane) == len(idle.lane) == LANE


async def test_who_handed_something_back_looks_after_those_who_did_not(one_store: Store) -> None:
    await SlotCalls(one_store, Limits()).ensure_group(one_store.keys.slot("test/asked"), "test/ask")
    await pending(one_store, "dead", LANE, idle_ms=LEASE_MS + 1)
    takeover = taking_over(one_store, Hands(begins=ALONE_FROM), Seen())
    assert await takeover.step() == LANE
    others = takeover.nap_ms
    await pending(one_store, "dead", 1, idle_ms=LEASE_MS + 1)
    assert await takeover.step() == 0
    assert takeover.nap_ms > others


async def test_who_is_not_elected_waits_for_the_election_s_end_where_something_lies_there_already(
    one_store: Store,
) -> None:
    await SlotCalls(one_store, Limits()).ensure_group(one_store.keys.slot("test/asked"), "test/ask")
    claimer, other = (taking_over(one_store, Hands(who), Seen()) for who in ("claimer", "other"))
    assert await claimer.step() == 0
    await pending(one_store, "dead", 1, idle_ms=2 * LEASE_MS)
    assert await other.step() == 0
    assert other.nap_ms >= LEASE_MS / LOOKS_A_LEASE


async def test_what_lined_up_in_calm_begins_in_calm_only(one_store: Store) -> None:
    await SlotCalls(one_store, Limits()).ensure_group(one_store.keys.slot("test/asked"), "test/ask")
    lost = await pending(one_store, "dead", 2, idle_ms=LEASE_MS + 1)
    hands, at, begun = Hands(begins=MOST - LAST), 0.0, list[str]()
    takeover = taking_over(one_store, hands, Seen(), lambda: at)
    takeover.lane.start = noting(begun)
    at = CALM_LEASES * LEASE_MS
    assert await takeover.step() == 2
    await takeover.lane.serve_next()
    assert begun == lost[:1]
    takeover.calm.took("elsewhere", "", "")
    await takeover.lane.serve_next()
    assert (begun, hands.let_go, len(takeover.lane)) == (lost[:1], lost[1:], 0)


async def test_of_those_that_a_long_storm_made_wait_one_begins_and_the_others_wait_again(one_store: Store) -> None:
    await SlotCalls(one_store, Limits()).ensure_group(one_store.keys.slot("test/asked"), "test/ask")
    lost = await pending(one_store, "dead", LANE, idle_ms=LEASE_MS + 1)
    hands, at, begun = Hands(begins=MOST - LAST), 0.0, list[str]()
    takeover = taking_over(one_store, hands, Seen(), lambda: at)
    takeover.lane.start = noting(begun)
    for lease in range(STORM_LEASES + 1):
        at = lease * LEASE_MS
        takeover.calm.took(f"another {lease}", "", "")
    assert await takeover.step() == LANE
    for _ in lost:
        await takeover.lane.serve_next()
    assert (begun, hands.let_go) == (lost[:1], lost[1:])


async def test_none_begins_before_the_whole_look_is_done(one_store: Store) -> None:
    """What the look finds in another group may end the calm."""
    begun = list[str]()
    takeover = taking_over(one_store, Hands(), Seen(), lambda: 0.0)
    takeover.lane.start = noting(begun)
    ((fn, slot),) = takeover.groups
    incoming = Incoming(slot, "1-0", {}, False, again=True)
    takeover.lane.add(Suspect(ALONE_FROM, fn, incoming, Hands().take(fn, incoming)))
    async with anyio.create_task_group() as tasks:
        with takeover.lane.look():
            tasks.start_soon(takeover.lane.serve_next)
            await anyio.wait_all_tasks_blocked()
            assert begun == []
    assert begun == ["1-0"]
