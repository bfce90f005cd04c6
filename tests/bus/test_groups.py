"""A store that loses streams and groups: consuming again without a restart, from the mark, and told aloud."""

from __future__ import annotations

from typing import ClassVar

import anyio

from joelclaw_bus import Event, Functions, Limits, Publisher, SlotCalls, Step, Store, event
from joelclaw_bus.observer import (
    AuditFound,
    DuplicateDropped,
    LeaseLost,
    RunEnded,
    RunParked,
    StepRecorded,
    StreamLost,
    WorkerFault,
)
from joelclaw_contracts import EventModel
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.waiting import later, until
from tests.support.workers import working


class Asked(EventModel):
    event_name: ClassVar[str] = "test/asked"

    n: int = 0


QUICK = {"lease_ms": 1_000, "block": 0.2, "chores": 0.05}


def asking(got: list[int], *, stepped: bool = False) -> Functions:
    functions = Functions()

    @functions.function("test/ask", on=[event(Asked)], retries=1)
    async def ask(e: Event[Asked], step: Step) -> None:
        if stepped:
            await step.run("look", lambda: e.data.n)
        got.append(e.data.n)

    return functions


async def test_after_a_flush_under_load_new_work_is_done_and_the_loss_is_told(server: Server, store: Store) -> None:
    got: list[int] = []

    async def load(stop: anyio.Event) -> None:
        n = 0
        while not stop.is_set():
            n += 1
            await Publisher(store).send(Asked(n=n), id=f"load {n}")

    stop = anyio.Event()
    async with working(store, asking(got, stepped=True), **QUICK) as seen, anyio.create_task_group() as tasks:
        tasks.start_soon(load, stop)
        await seen.wait(RunEnded, 20)
        server.empty()
        await seen.wait(StreamLost)
        for n in range(3):
            await Publisher(store).send(Asked(n=-n), id=f"after {n}")
        await seen.wait(RunEnded, where=lambda f: f.run == "test/ask:after 2")
        stop.set()
    assert len(got) == len(set(got))
    assert not seen.all(WorkerFault)


async def test_a_deleted_stream_is_made_again_and_goes_on(store: Store) -> None:
    got: list[int] = []
    async with working(store, asking(got), **QUICK) as seen:
        for n in range(10):
            await Publisher(store).send(Asked(n=n))
        await seen.wait(RunEnded, 10)
        await store.call("DEL", "test/asked")
        await seen.wait(StreamLost, where=lambda f: f.stream == "test/asked")
        for n in range(10, 20):
            await Publisher(store).send(Asked(n=n))
        await seen.wait(RunEnded, 20)
    assert sorted(got) == list(range(20))


async def test_a_destroyed_group_goes_on_at_its_mark(store: Store) -> None:
    got: list[int] = []
    slot = store.keys.slot("test/asked")

    async def marked() -> bool:
        """Housekeeping has persisted that all was acknowledged."""
        last = (await store.call("XREVRANGE", slot.stream, "+", "-", "COUNT", 1))[0][0]
        return bool(await store.call("HGET", slot.marks, "test/ask") == last)

    async with working(store, asking(got), **QUICK) as seen:
        for n in range(10):
            await Publisher(store).send(Asked(n=n))
        await seen.wait(RunEnded, 10)
        await until(marked)
        await store.call("XGROUP", "DESTROY", slot.stream, "test/ask")
        (lost,) = await seen.wait(StreamLost)
        await Publisher(store).send(Asked(n=10))
        await seen.wait(RunEnded, 11)
    assert lost.resumed_at != "0-0"
    assert sorted(got) == list(range(11))


async def test_without_a_mark_finished_runs_are_not_run_again_while_their_records_last(store: Store) -> None:
    got: list[int] = []
    slot = store.keys.slot("test/asked")
    async with working(store, asking(got, stepped=True), lease_ms=1_000, block=0.2, chores=3600) as seen:
        for n in range(10):
            await Publisher(store).send(Asked(n=n))
        await seen.wait(RunEnded, 10)
        await store.call("DEL", slot.marks)
        await store.call("XGROUP", "DESTROY", slot.stream, "test/ask")
        await seen.wait(StreamLost)
        await seen.wait(DuplicateDropped, 10)
        await Publisher(store).send(Asked(n=10))
        await seen.wait(RunEnded, 11)
    assert sorted(got) == list(range(11))


async def test_a_destroyed_group_under_load_loses_nothing_and_repeats_no_recorded_run(store: Store) -> None:
    got: list[int] = []
    async with working(store, asking(got, stepped=True), **QUICK) as seen:
        for n in range(100):
            await Publisher(store).send(Asked(n=n))
            if n == 50:
                await store.call("XGROUP", "DESTROY", "test/asked", "test/ask")
        await seen.wait(StreamLost)

        async def all_done() -> bool:
            return set(got) == set(range(100))

        await until(all_done)
        slot = store.keys.slot("test/asked")

        async def settled() -> bool:
            return bool(await store.call("EXISTS", slot.open) == 0)

        await until(settled)
    ended = [f.run for f in seen.all(RunEnded)]
    assert len(ended) == len(set(ended)) == 100


def resting(got: list[int], seconds: float) -> Functions:
    functions = Functions()

    @functions.function("test/ask", on=[event(Asked)], retries=1)
    async def ask(e: Event[Asked], step: Step) -> None:
        await step.sleep("rest", seconds)
        got.append(e.data.n)

    return functions


async def five_rest(store: Store, seen: Seen) -> None:
    for n in range(5):
        await Publisher(store).send(Asked(n=n))
    await seen.wait(RunParked, 5)


async def test_a_deleted_ready_stream_costs_no_resting_run(store: Store) -> None:
    """What lay on it was queued: those runs say so in their records, and are put there again."""
    got: list[int] = []
    slot = store.keys.slot("test/asked")
    async with working(store, resting(got, 0.3), **QUICK) as seen:
        await five_rest(store, seen)
        await store.call("DEL", slot.ready("test/ask"))
        await seen.wait(RunEnded, 5)
    assert sorted(got) == list(range(5))


async def test_runs_that_lay_on_a_deleted_ready_stream_go_on(store: Store) -> None:
    got: list[int] = []
    slot, functions = store.keys.slot("test/asked"), resting(got, 0.05)
    async with working(store, functions, **QUICK) as seen:
        await five_rest(store, seen)
    await later(store, 60)
    await SlotCalls(store, Limits()).promote(slot)
    assert await store.call("XLEN", slot.ready("test/ask")) == 5 - len(got)
    await store.call("DEL", slot.ready("test/ask"))
    async with working(store, functions, seen=seen, **QUICK):
        await seen.wait(RunEnded, 5)
    assert sorted(got) == list(range(5))


async def test_a_first_registration_reads_back_as_far_as_stated_and_no_further(store: Store) -> None:
    got: list[int] = []
    now = await store.time_ms()
    for age, n in ((7_200_000, 1), (3_500_000, 2), (1_000, 3)):
        await store.call("XADD", "test/asked", f"{now - age}-0", "data", f'{{"n":{n}}}')
    async with working(store, asking(got), limits=Limits(first_read_ms=3_600_000), chores=3600) as seen:
        await seen.wait(RunEnded, 2)
        await Publisher(store).send(Asked(n=4))
        await seen.wait(RunEnded, 3)
    assert sorted(got) == [2, 3, 4]


async def test_a_group_that_is_registered_again_keeps_its_place(store: Store) -> None:
    got: list[int] = []
    for n in range(3):
        async with working(store, asking(got), **QUICK) as seen:
            await Publisher(store).send(Asked(n=n))
            await seen.wait(RunEnded)
    assert got == [0, 1, 2]


async def test_a_run_whose_event_is_lost_with_its_stream_ends_and_says_so(store: Store) -> None:
    functions, go = Functions(), anyio.Event()

    @functions.function("test/ask", on=[event(Asked)], retries=1)
    async def ask(e: Event[Asked], step: Step) -> None:
        await step.run("one", lambda: 1)
        await go.wait()

    slot = store.keys.slot("test/asked")
    async with working(store, functions, **QUICK) as seen:
        await Publisher(store).send(Asked(n=1), id="one")
        await seen.wait(StepRecorded)
        await store.call("DEL", "test/asked")
        (found,) = await seen.wait(AuditFound)
        await seen.wait(LeaseLost)
        go.set()
        await Publisher(store).send(Asked(n=2), id="two")
        await seen.wait(RunEnded)
    assert (found.rule, found.names, found.remedy) == ("entry-lost", ("test/ask:one",), "lost")
    assert await store.call("HGET", slot.run("test/ask:one"), "status") == b"failed"
    assert await store.call("XLEN", slot.dead) == 1
    assert await store.call("EXISTS", slot.open) == 0


async def test_a_lost_due_index_is_put_back_from_the_records(store: Store) -> None:
    functions = Functions()

    @functions.function("test/ask", on=[event(Asked)], retries=1)
    async def ask(e: Event[Asked], step: Step) -> None:
        await step.sleep("rest", 0.4)

    async with working(store, functions, **QUICK) as seen:
        for n in range(3):
            await Publisher(store).send(Asked(n=n))
        await seen.wait(RunParked, 3)
        await store.call("DEL", store.keys.slot("test/asked").due)
        ended = await seen.wait(RunEnded, 3)
    assert [f.status for f in ended] == ["completed"] * 3
