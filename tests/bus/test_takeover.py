"""What dead workers left: who takes it, when, and what runs beside what."""

from __future__ import annotations

import secrets
from typing import ClassVar

import anyio
import pytest

from joelclaw_bus import Event, Functions, Limits, Publisher, SlotCalls, Step, Store, event
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.observer import RunEnded
from joelclaw_bus.run_calls import Begun, RunCalls
from joelclaw_bus.script import Script, load_script
from joelclaw_bus.slot_calls import Jumped, NotClaimer, Page
from joelclaw_contracts import EventModel
from tests.support.workers import working

FN = "test/left"
LEASE_MS = 1_000


class Left(EventModel):
    event_name: ClassVar[str] = "test/left"

    n: int


async def left_behind(store: Store, count: int, *, begins: int = 0) -> None:
    """`count` events whose holder died; and so many who took them over, began them, and died too."""
    slot = store.keys.slot(Left.event_name)
    await SlotCalls(store, Limits()).ensure_group(slot, FN)
    for n in range(count):
        await Publisher(store).send(Left(n=n))
    read = await store.call("XREADGROUP", "GROUP", FN, "dead", "COUNT", count, "STREAMS", slot.stream, ">")
    for entry in (raw.decode() for raw, _ in read[0][1]):
        for n in range(begins):
            await store.call("XCLAIM", slot.stream, FN, f"dead-{n}", 0, entry)
            d = Delivery(slot, FN, f"dead-{n}", entry, f"{FN}:{entry}", secrets.token_hex(4), False)
            answer = await RunCalls(store, Limits()).begin(d, explicit_id="", record_wanted=False)
            assert isinstance(answer, Begun)
            assert answer.begins == n + 1
        await run_out(store, slot.stream, f"dead-{begins - 1}" if begins else "dead", entry)


async def run_out(store: Store, stream: str, holder: str, entry: str | bytes, idle_ms: int = 600_000) -> None:
    await store.call("XCLAIM", stream, FN, holder, 0, entry, "IDLE", idle_ms, "JUSTID")


async def test_all_that_a_dead_worker_left_begins_again_side_by_side(one_store: Store) -> None:
    functions, here, all_here = Functions(), set[int](), anyio.Event()

    @functions.function(FN, on=[event(Left)], retries=1)
    async def meet(e: Event[Left], step: Step) -> None:
        here.add(e.data.n)
        if len(here) == 8:
            all_here.set()
        await all_here.wait()

    await left_behind(one_store, 8)
    async with working(one_store, functions, lease_ms=LEASE_MS) as seen:
        ended = await seen.wait(RunEnded, 8)
    assert [e.status for e in ended] == ["completed"] * 8


async def test_more_than_there_are_places_for_is_taken_as_places_get_free(one_store: Store) -> None:
    functions, inside, most = Functions(), 0, 0

    @functions.function(FN, on=[event(Left)], retries=1)
    async def count(e: Event[Left], step: Step) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await anyio.sleep(0.01)
        inside -= 1

    await left_behind(one_store, 20)
    async with working(one_store, functions, lease_ms=LEASE_MS, parallel=3) as seen:
        await seen.wait(RunEnded, 20)
    assert most <= 6


async def test_what_was_begun_twice_without_an_end_runs_alone_in_its_process(one_store: Store) -> None:
    functions, inside, together = Functions(), 0, 0

    @functions.function(FN, on=[event(Left)], retries=1)
    async def count(e: Event[Left], step: Step) -> None:
        nonlocal inside, together
        inside += 1
        together = max(together, inside)
        await anyio.sleep(0.05)
        inside -= 1

    await left_behind(one_store, 5, begins=2)
    async with working(one_store, functions, lease_ms=LEASE_MS) as seen:
        await seen.wait(RunEnded, 5)
    assert together == 1


async def test_a_newer_build_takes_the_election_from_an_older_one_and_keeps_it(one_store: Store) -> None:
    slot = one_store.keys.slot(Left.event_name)
    calls = SlotCalls(one_store, Limits())
    await calls.ensure_group(slot, FN)

    async def stand(consumer: str, script: Script) -> int:
        now = await one_store.time_ms()
        args = [FN, consumer, 60_000, "0-0", 10, now, 15_000, 60_000]
        answer = await one_store.run(script, [slot.stream, slot.claimer(FN)], args)
        return int(answer[0])

    ours = load_script("joelclaw_bus", "takeover")
    text = ours.text.replace("RECORD_FORMAT = 1", "RECORD_FORMAT = 2")
    assert text != ours.text
    newer = Script("takeover", text, secrets.token_hex(20))
    assert await stand("old", ours) == 1
    assert await stand("new", newer) == 1
    assert await stand("old", ours) == 0, "it would claim newer records only to refuse them"
    assert await stand("new-too", newer) == 0, "one claimer among equals"


async def test_a_look_says_when_the_next_one_is_worth_while(one_store: Store) -> None:
    slot = one_store.keys.slot(Left.event_name)
    calls = SlotCalls(one_store, Limits())

    async def look(consumer: str) -> Page | NotClaimer:
        at = await one_store.time_ms()
        page = await calls.takeover(slot, slot.stream, FN, consumer, lease_ms=60_000, cursor="0-0", count=10, at_ms=at)
        assert isinstance(page, Page | NotClaimer)
        return page

    await left_behind(one_store, 1)
    stream, entry = slot.stream, (await one_store.call("XPENDING", slot.stream, FN))[1]
    for idle, expected in ((1_000, None), (50_000, 10_000)):
        await run_out(one_store, stream, "dead", entry, idle)
        page = await look("b")
        assert isinstance(page, Page)
        assert (page.next_ms is None) == (expected is None)
        assert expected is None or (page.next_ms is not None and 0 < page.next_ms <= expected)
    other = await look("c")
    assert isinstance(other, NotClaimer)
    assert 0 < other.lasts_ms <= 60_000
    assert other.next_ms is not None
    assert 0 < other.next_ms <= 10_000, "it need not wait for the election to look when a lease runs out"


@pytest.mark.parametrize("stays", [True, False])
async def test_a_claimer_that_may_have_no_place_for_more_gives_the_election_up(one_store: Store, stays: bool) -> None:
    slot = one_store.keys.slot(Left.event_name)

    async def look(consumer: str, count: int) -> Page | NotClaimer | Jumped:
        at, stay = await one_store.time_ms(), stays or consumer != "b"
        return await SlotCalls(one_store, Limits()).takeover(
            slot, slot.stream, FN, consumer, lease_ms=60_000, cursor="0-0", count=count, at_ms=at, stays=stay
        )

    await left_behind(one_store, 5)
    assert isinstance(await look("b", 2 if stays else 10), Page)
    assert isinstance(await look("c", 10), Page), "it had what it asked for, or said that it wants no more"
    assert isinstance(await look("b", 10), NotClaimer)
