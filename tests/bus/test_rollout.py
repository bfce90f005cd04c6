"""Two builds at work in one group: what only the newer one can begin is the newer one's, at once and whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

import anyio
import pytest

from joelclaw_bus import Event, Functions, Limits, Publisher, SlotCalls, Step, Store, event
from joelclaw_bus.left_alone import REMEMBERED, LeftAlone
from joelclaw_bus.observer import RunEnded, RunStarted, WriteRefused
from joelclaw_bus.suspects import CALM_LEASES
from joelclaw_bus.takeover import LOOKS_A_LEASE
from tests.bus.test_takeover import FN, Left, left_behind
from tests.support.rollout import LEASE_MS, Hand, next_build
from tests.support.seen import Seen
from tests.support.workers import working

MOST = Limits().begins


MakeHand = Callable[[Store, Functions], Hand]


@pytest.fixture
def hand() -> Iterator[MakeHand]:
    made = list[Hand]()

    def make(store: Store, functions: Functions) -> Hand:
        made.append(Hand(store, functions))
        return made[-1]

    yield make
    for one in made:
        one.close()


def leaving(act: Callable[[Step], Awaitable[None]] | None = None) -> Functions:
    functions = Functions()

    @functions.function(FN, on=[event(Left)], retries=1)
    async def handler(e: Event[Left], step: Step) -> None:
        if act:
            await act(step)

    return functions


async def held(store: Store, stream: str) -> list[tuple[bytes, int, int]]:
    """(who holds an entry, since when, how often it was delivered), the oldest entry first."""
    rows = await store.call("XPENDING", stream, FN, "-", "+", 10)
    now = await store.time_ms()
    return [(consumer, now - idle, count) for _, consumer, idle, count in rows]


@pytest.mark.parametrize("begins", [1, 2, MOST - 1, MOST])
async def test_however_many_older_ones_look_first_the_newer_one_has_it_at_its_first_look(
    one_store: Store, hand: MakeHand, begins: int
) -> None:
    newer_store = next_build(one_store)
    await left_behind(newer_store, 1, begins=begins)
    older, newer = [hand(one_store, leaving()) for _ in range(2)], hand(newer_store, leaving())
    newer.at = CALM_LEASES * LEASE_MS
    for one in older:
        assert await one.look() == 0
        assert [f.reason for f in one.seen.all(WriteRefused)] == ["newer"]
        await one_store.call("DEL", one_store.keys.slot(Left.event_name).claimer(FN))  # its election runs out
    assert await newer.look() == 1
    [ended] = newer.seen.all(RunEnded)
    assert ended.status == ("failed" if begins == MOST else "completed")
    started = [f.begins for f in newer.seen.all(RunStarted)]
    assert started == ([] if begins == MOST else [begins + 1]), "what could not begin it charged it with nothing"


async def test_older_ones_alone_look_at_it_once_a_lease_and_rest_between(one_store: Store, hand: MakeHand) -> None:
    slot = one_store.keys.slot(Left.event_name)
    await left_behind(next_build(one_store), 1, begins=1)
    before = await held(one_store, slot.stream)
    older = hand(one_store, leaving())
    for lease in range(3):
        older.at = lease * LEASE_MS
        await older.look()
        left = await held(one_store, slot.stream)
        assert [count for *_, count in left] == [count for *_, count in before]
        for look in range(1, 2 * LOOKS_A_LEASE):
            older.at = (lease + look / (2 * LOOKS_A_LEASE)) * LEASE_MS
            await older.look()
            assert older.takeover.nap_ms >= LEASE_MS // LOOKS_A_LEASE, "it lies there for somebody else"
        assert [f.reason for f in older.seen.all(WriteRefused)] == ["newer"] * (lease + 1)
        still = await held(one_store, slot.stream)
        assert [(who, count) for who, _, count in still] == [(who, count) for who, _, count in left]
        assert abs(still[0][1] - left[0][1]) < LEASE_MS / 2, "its lease did not begin anew"


async def test_what_lies_beside_it_is_taken_over_as_ever(one_store: Store, hand: MakeHand) -> None:
    older = hand(one_store, leaving())
    await left_behind(next_build(one_store), 1, begins=1)
    assert await older.look() == 0
    await left_behind(one_store, 2)
    assert await older.look() == 2
    assert [f.status for f in older.seen.all(RunEnded)] == ["completed"] * 2
    assert len(older.seen.all(WriteRefused)) == 1


async def test_a_wake_up_that_an_older_one_reads_is_no_death_and_no_begin(one_store: Store, hand: MakeHand) -> None:
    async def nap(step: Step) -> None:
        await step.sleep("nap", 0)

    slot, newer_store = one_store.keys.slot(Left.event_name), next_build(one_store)
    calls = SlotCalls(one_store, Limits())
    await calls.ensure_group(slot, FN)
    await Publisher(one_store).send(Left(n=1), id="one")
    older, newer = hand(one_store, leaving(nap)), hand(newer_store, leaving(nap))
    newer.at = CALM_LEASES * LEASE_MS
    await newer.read(FN, ready=False)
    assert (await calls.promote(slot)).moved == 1
    await older.read(FN, ready=True)
    assert [f.reason for f in older.seen.all(WriteRefused)] == ["newer"]
    assert await older.look() == 0
    assert len(older.seen.all(WriteRefused)) == 1, "it knows it: it need not look"
    assert await newer.look() == 1
    assert [f.status for f in newer.seen.all(RunEnded)] == ["completed"]
    assert [f.begins for f in newer.seen.all(RunStarted)] == [0, 0]
    assert newer.takeover.calm.now, "nobody has died"


async def test_a_poison_of_the_newer_build_is_buried_though_older_workers_are_more(one_store: Store) -> None:
    begun = list[int]()
    store, older, lease_ms = next_build(one_store), leaving(), 600
    await left_behind(store, 1, begins=MOST - 2)
    async with (
        working(one_store, older, lease_ms=lease_ms) as seen,
        working(one_store, older, lease_ms=lease_ms, seen=seen),
    ):
        while len(begun) < 3:
            dies, mine = anyio.Event(), Seen()

            async def kill(step: Step, dies: anyio.Event = dies) -> None:
                begun.append(len(begun))
                dies.set()
                await anyio.sleep_forever()

            async with anyio.create_task_group() as process:
                process.start_soon(until_it_dies, dies, mine, process.cancel_scope)
                async with working(store, leaving(kill), lease_ms=lease_ms, seen=mine):
                    await mine.wait(RunEnded)
                    process.cancel_scope.cancel()
            if mine.all(RunEnded):
                break
    assert [(f.status, "poisoned" in f.error) for f in mine.all(RunEnded)] == [("failed", True)]
    assert len(begun) == 2, "two were left before its burial"
    assert not seen.all(RunEnded)


async def until_it_dies(dies: anyio.Event, seen: Seen, process: anyio.CancelScope) -> None:
    await dies.wait()
    process.cancel()


async def test_what_there_is_no_memory_for_is_not_handed_back_and_left_to_its_lease(one_store: Store) -> None:
    """Handed back and forgotten, it would be claimed again at every look."""
    handed: list[str] = []

    class Groups(SlotCalls):
        async def hand_back(
            self, stream: str, function: str, consumer: str, lease_ms: int, entries: Sequence[str] = ()
        ) -> int:
            handed.extend(entries)
            return await super().hand_back(stream, function, consumer, lease_ms, entries)

    slot, now = one_store.keys.slot(Left.event_name), [0.0]
    left = LeftAlone(Groups(one_store, Limits()), "me", LEASE_MS, lambda: now[0])
    many = [f"{n}-0" for n in range(REMEMBERED + 500)]
    await left.leave(FN, slot.stream, many)
    assert left.entries(FN, slot.stream) == handed == many[:REMEMBERED]
    assert left.entries(FN, slot.ready(FN)) == []
    now[0] = LEASE_MS
    await left.leave(FN, slot.stream, many[REMEMBERED:])
    assert left.entries(FN, slot.stream) == many[REMEMBERED:]
