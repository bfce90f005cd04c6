"""Trimming: behind every group, behind what is pending, behind retention; and what is exempt."""

from __future__ import annotations

from typing import ClassVar

import anyio
import pytest

from joelclaw_bus import Event, Functions, Limits, Publisher, SlotCalls, Step, Store, event
from joelclaw_bus.observer import RunEnded, RunStarted, Trimmed
from joelclaw_bus.publisher import EVIDENCE
from joelclaw_contracts import EventModel
from tests.support.waiting import later, until
from tests.support.workers import working


class Counted(EventModel):
    event_name: ClassVar[str] = "test/counted"

    n: int = 0


class Elsewhere(EventModel):
    event_name: ClassVar[str] = "test/elsewhere"


SHORT = Limits(events_ms=1, ended_ms=200, dedupe_ms=200)


def counting(function: str, got: list[int]) -> Functions:
    functions = Functions()

    @functions.function(function, on=[event(Counted)], retries=1)
    async def count(e: Event[Counted], step: Step) -> None:
        got.append(e.data.n)

    return functions


async def send(store: Store, first: int, last: int) -> None:
    calls = [("XADD", "test/counted", "*", "data", f'{{"n":{n}}}') for n in range(first, last)]
    await store.calls(calls)


async def test_nothing_is_lost_for_a_slow_group_and_memory_is_bounded_by_its_lag(store: Store) -> None:
    slot, calls = store.keys.slot("test/counted"), SlotCalls(store, SHORT)
    got: dict[str, list[int]] = {"test/one": [], "test/two": [], "test/slow": []}
    for function in got:
        await calls.ensure_group(slot, function)
    async with working(store, counting("test/slow", got["test/slow"]), limits=SHORT) as seen:
        await send(store, 0, 100)
        await seen.wait(RunEnded, 100)
    # Slow has stopped; the others go on, and each of them trims.
    async with (
        working(store, counting("test/one", got["test/one"]), limits=SHORT, chores=0.05) as one,
        working(store, counting("test/two", got["test/two"]), limits=SHORT, chores=0.05) as two,
    ):
        for batch in range(1, 6):
            await send(store, batch * 200 - 100, batch * 200 + 100)
            await one.wait(RunEnded, batch * 200 + 100)
            await two.wait(RunEnded, batch * 200 + 100)

        async def all_but_its_lag() -> bool:
            return bool(await store.call("XLEN", slot.stream) == 1000)

        await until(all_but_its_lag)
        async with working(store, counting("test/slow", got["test/slow"]), limits=SHORT, chores=0.05) as slow:
            await slow.wait(RunEnded, 1000)

            async def empty() -> bool:
                return bool(await store.call("XLEN", slot.stream) == 0)

            await until(empty)
    assert all(sorted(numbers) == list(range(1100)) for numbers in got.values())


async def test_a_pending_entry_is_never_trimmed(store: Store) -> None:
    """It is the first of its millisecond: what lies before it was named by no id, and trimming failed for ever."""
    functions, go, got = Functions(), anyio.Event(), []

    @functions.function("test/count", on=[event(Counted)], retries=1)
    async def count(e: Event[Counted], step: Step) -> None:
        if e.data.n == 1:
            await go.wait()
        got.append(e.data.n)

    await SlotCalls(store, SHORT).ensure_group(store.keys.slot("test/counted"), "test/count")
    async with working(store, functions, limits=SHORT, chores=0.05) as seen:
        await send(store, 0, 1)
        await seen.wait(RunEnded)
        await send(store, 1, 2)
        await seen.wait(RunStarted, 2)
        await send(store, 2, 10)
        await seen.wait(RunEnded, 9)
        await later(store, 100)
        await seen.wait(Trimmed)
        kept = await store.call("XLEN", "test/counted")
        assert kept == 9
        go.set()
        await seen.wait(RunEnded, 10)
        await seen.wait(Trimmed, 2)
    assert await store.call("XLEN", "test/counted") == 0
    assert sorted(got) == list(range(10))


async def test_trimming_stops_before_the_first_pending_entry_whatever_was_read_after_it(store: Store) -> None:
    slot, calls = store.keys.slot("test/counted"), SlotCalls(store, SHORT)
    await calls.ensure_group(slot, "test/count")
    await send(store, 0, 5)
    read = await store.call("XREADGROUP", "GROUP", "test/count", "c", "STREAMS", slot.stream, ">")
    entries = [entry for entry, _ in read[0][1]]
    await store.call("XACK", slot.stream, "test/count", *entries[:2], *entries[3:])
    await later(store, 5)
    assert await calls.housekeep(slot) == (2, 0)
    assert [entry for entry, _ in await store.call("XRANGE", slot.stream, "-", "+")] == entries[2:]
    await store.call("XACK", slot.stream, "test/count", entries[2])
    assert await calls.housekeep(slot) == (3, 0)


async def test_a_group_that_is_not_ours_blocks_trimming_until_it_is_dropped(store: Store) -> None:
    slot, calls = store.keys.slot("test/counted"), SlotCalls(store, SHORT)
    await calls.ensure_group(slot, "test/count")
    await store.call("XGROUP", "CREATE", slot.stream, "foreign", "0")
    await send(store, 0, 5)
    await store.call("XREADGROUP", "GROUP", "test/count", "c", "NOACK", "STREAMS", slot.stream, ">")
    await later(store, 5)
    assert await calls.housekeep(slot) == (0, 0)
    await store.call("XGROUP", "DESTROY", slot.stream, "foreign")
    assert await calls.housekeep(slot) == (5, 0)


async def test_what_every_group_has_is_kept_for_its_retention(store: Store) -> None:
    slot, kept = store.keys.slot("test/counted"), SlotCalls(store, Limits(events_ms=60_000))
    await kept.ensure_group(slot, "test/count")
    await send(store, 0, 5)
    await store.call("XREADGROUP", "GROUP", "test/count", "c", "NOACK", "STREAMS", slot.stream, ">")
    await later(store, 5)
    assert await kept.housekeep(slot) == (0, 0)
    assert await SlotCalls(store, SHORT).housekeep(slot) == (5, 0)


async def test_a_stream_that_nobody_reads_is_trimmed_by_retention(store: Store) -> None:
    functions = Functions()

    @functions.function("test/other", on=[event(Elsewhere)], retries=1)
    async def other(e: Event[Elsewhere], step: Step) -> None:
        return None

    await Publisher(store).send(Counted())
    await Publisher(store).send_raw(EVIDENCE, b"{}")
    await later(store, 5)
    async with working(store, functions, limits=SHORT, chores=0.05):

        async def trimmed() -> bool:
            return bool(await store.call("XLEN", "test/counted") == 0)

        await until(trimmed)
    assert await store.call("XLEN", EVIDENCE) == 1


async def test_evidence_is_bounded_by_its_length_whoever_reads_it(
    one_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = one_store
    monkeypatch.setattr("joelclaw_bus.publisher.EVIDENCE_LONGEST", 200)
    slot = store.keys.slot(EVIDENCE)
    await SlotCalls(store, SHORT).ensure_group(slot, "foreign")
    for _ in range(600):
        await Publisher(store).send_raw(EVIDENCE, b"{}")
    assert 200 <= await store.call("XLEN", EVIDENCE) <= 400


async def test_ended_runs_are_forgotten_with_their_records(store: Store) -> None:
    functions = Functions()

    @functions.function("test/count", on=[event(Counted)], retries=1)
    async def count(e: Event[Counted], step: Step) -> int:
        return e.data.n

    slot = store.keys.slot("test/counted")
    await SlotCalls(store, SHORT).ensure_group(slot, "test/count")
    async with working(store, functions, limits=SHORT, chores=0.05) as seen:
        await send(store, 0, 20)
        await seen.wait(RunEnded, 20)

        async def forgotten() -> bool:
            return bool(await store.call("EXISTS", slot.ended) == 0)

        await until(forgotten)
        await later(store, 50)
    for key in (slot.open, slot.due, slot.outbox, slot.outbox_items):
        assert await store.call("EXISTS", key) == 0
    left = [key async for key in _keys(store)]
    assert not [key for key in left if b":run:" in key]


async def _keys(store: Store):  # type: ignore[no-untyped-def]  # a generator of keys
    cursor = b"0"
    while True:
        cursor, keys = await store.call("SCAN", cursor, "COUNT", 1000)
        for key in keys:
            yield key
        if cursor == b"0":
            return
