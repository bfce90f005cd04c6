"""Waiting for an event: what came before, what comes later, the first of several, all of them, or none in time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import ClassVar

import anyio
import pytest

from joelclaw_bus import (
    Awaited,
    Event,
    Functions,
    Limits,
    OutboxItem,
    Publisher,
    SlotCalls,
    Step,
    Store,
    Worker,
    event,
)
from joelclaw_bus.awaited import Wait
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.door import Admitted, Door, Incoming
from joelclaw_bus.keys import WAITS_GROUP
from joelclaw_bus.observer import (
    EventBuried,
    OutboxDelivered,
    RunEnded,
    RunParked,
    RunStarted,
    Stuck,
    Unstuck,
    WaitEnded,
)
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.run_calls import Begun, Refused, RunCalls
from joelclaw_bus.wait_calls import Found, WaitCalls
from joelclaw_bus.waiting import LEEWAY_MS
from joelclaw_contracts import EventModel
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.waiting import later
from tests.support.workers import QUICK, working

FN = "test/ask"


class Asked(EventModel):
    event_name: ClassVar[str] = "test/asked"

    question: str


class Answered(EventModel):
    event_name: ClassVar[str] = "test/answered"

    question_id: str
    text: str
    rank: int = 0
    right: bool = False
    by: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it


class Closed(EventModel):
    event_name: ClassVar[str] = "test/closed"

    question_id: str


Ask = Callable[[Event[Asked], Step], object]


def asking(ask: Ask, got: list[object]) -> Functions:
    """A function that keeps what `ask` returns."""
    functions = Functions()

    @functions.function(FN, on=[event(Asked)], retries=1, awaits=[Answered, Closed])
    async def handler(e: Event[Asked], step: Step) -> None:
        got.append(await ask(e, step))  # type: ignore[misc]  # every Ask of this file is a coroutine function

    return functions


async def answer_to(e: Event[Asked], step: Step) -> str | None:
    answer = await step.wait_for_event("answer", Answered, match={"question_id": e.data.question}, timeout=30)
    return answer.data.text if answer else None


async def waiting(seen: Seen) -> None:
    """A run is parked and its wait stands where the events come."""
    await seen.wait(RunParked, where=lambda f: f.state == "waiting")
    await seen.wait(OutboxDelivered, where=lambda f: f.kind == "await")


async def test_a_run_rests_until_the_event_comes_that_it_waits_for(store: Store) -> None:
    got: list[object] = []
    publisher = Publisher(store)
    async with working(store, asking(answer_to, got)) as seen:
        await publisher.send(Asked(question="q1"))
        await waiting(seen)
        await publisher.send(Answered(question_id="another", text="no"))
        await publisher.send(Answered(question_id="q1", text="yes"))
        await seen.wait(RunEnded)
    assert got == ["yes"]


async def test_a_bare_client_can_answer(store: Store) -> None:
    got: list[object] = []
    async with working(store, asking(answer_to, got)) as seen:
        await Publisher(store).send(Asked(question="q1"))
        await waiting(seen)
        await store.call("XADD", "test/answered", "*", "data", '{"questionId":"q1","text":"by hand","extra":[1]}')
        await seen.wait(RunEnded)
    assert got == ["by hand"]


async def test_what_came_a_moment_earlier_counts(store: Store) -> None:
    got: list[object] = []
    publisher = Publisher(store)
    await publisher.send(Asked(question="q1"))
    await publisher.send(Answered(question_id="q1", text="quick"))
    async with working(store, asking(answer_to, got)) as seen:
        await seen.wait(RunEnded)
    assert got == ["quick"]


async def test_what_came_before_the_run_s_own_event_does_not_count_unless_asked_for(store: Store) -> None:
    async def ask(e: Event[Asked], step: Step) -> str | None:
        look_back = 30.0 if e.data.question == "far" else None
        answer = await step.wait_for_event("answer", Answered, timeout=0.2, look_back=look_back)
        return answer.data.text if answer else None

    got: list[object] = []
    publisher = Publisher(store)
    await publisher.send(Answered(question_id="q", text="old"))
    await later(store, 5)
    async with working(store, asking(ask, got)) as seen:
        await publisher.send(Asked(question="near"))
        await seen.wait(RunEnded)
        await publisher.send(Asked(question="far"))
        await seen.wait(RunEnded, 2)
    assert got == [None, "old"]


async def test_waits_for_the_same_event_can_leave_out_what_was_heard_and_miss_none(store: Store) -> None:
    """Half of them lie there before the run begins to wait, half come while it does: each is heard once."""

    async def ask(e: Event[Asked], step: Step) -> list[str]:
        heard: list[Event[Answered]] = []
        while len(heard) < 4:
            name = f"answer-{len(heard)}"
            answer = await step.wait_for_event(name, Answered, match={"question_id": "q"}, timeout=30, but=heard)
            assert answer
            heard.append(answer)
        return sorted(answer.data.text for answer in heard)

    got: list[object] = []
    publisher = Publisher(store)
    await publisher.send(Asked(question="q"))
    for n in range(2):
        await publisher.send(Answered(question_id="q", text=f"{n}"))
    async with working(store, asking(ask, got)) as seen:
        await seen.wait(WaitEnded)
        for n in range(2, 4):
            await publisher.send(Answered(question_id="q", text=f"{n}"))
        await seen.wait(RunEnded)
    assert got == [["0", "1", "2", "3"]]


async def test_a_wait_that_nothing_ends_times_out(store: Store) -> None:
    async def ask(e: Event[Asked], step: Step) -> str | None:
        answer = await step.wait_for_event("answer", Answered, timeout=0.2)
        return answer.data.text if answer else "nobody"

    got: list[object] = []
    publisher = Publisher(store)
    async with working(store, asking(ask, got)) as seen:
        await publisher.send(Asked(question="q1"))
        await seen.wait(RunEnded)
        await publisher.send(Answered(question_id="q1", text="too late"))
        await later(store, 5)
        await publisher.send(Asked(question="q2"))
        await seen.wait(RunEnded, 2)
    assert got == ["nobody", "nobody"], "the second run's own look back begins at its own event"


async def test_what_came_in_time_counts_though_nobody_was_there_to_match_it(server: Server, store: Store) -> None:
    got: list[object] = []
    for seconds in (0.5, 2, 8, 32):  # until it does come in time: a busy machine may stand still for a while

        async def ask(e: Event[Asked], step: Step, timeout: float = seconds) -> str | None:
            answer = await step.wait_for_event("answer", Answered, timeout=timeout)
            return answer.data.text if answer else "nobody"

        server.empty()
        async with working(store, asking(ask, got)) as seen:
            await Publisher(store).send(Asked(question="q1"))
            await waiting(seen)
        [parked] = [f for f in seen.all(RunParked) if f.state == "waiting"][:1]
        entry = await Publisher(store).send(Answered(question_id="q1", text="in time"))
        if not got and int(entry.entry.partition("-")[0]) < parked.due_ms:
            break
        got.clear()
    await later(store, round(seconds * 1000) + 100)
    slot = store.keys.slot(Asked.event_name)
    await SlotCalls(store, Limits()).promote(slot)  # somebody else's promoter: the time-out wakes the run first
    assert got == []
    async with working(store, asking(ask, got)) as seen:
        await seen.wait(RunEnded)
    assert got == ["in time"]


async def test_the_first_of_several_wins_and_the_others_are_called_off(store: Store) -> None:
    async def ask(e: Event[Asked], step: Step) -> tuple[int, str] | None:
        match = {"questionId": e.data.question}
        first = await step.wait_for_first("end", [Awaited(Answered, match), Awaited(Closed, match)], timeout=30)
        return (first.index, first.event.name) if first else None

    got: list[object] = []
    publisher = Publisher(store)
    async with working(store, asking(ask, got)) as seen:
        await publisher.send(Asked(question="q1"))
        await seen.wait(OutboxDelivered, 2, where=lambda f: f.kind == "await")
        await publisher.send(Closed(question_id="q1"))
        await seen.wait(RunEnded)
        await seen.wait(OutboxDelivered, where=lambda f: f.kind == "unwait")
        await publisher.send(Answered(question_id="q1", text="second"))
    assert got == [(1, "test/closed")]
    assert await store.call("ZCARD", store.keys.slot(Answered.event_name).waits) == 0


async def test_all_of_several_must_come_in_any_order(store: Store) -> None:
    async def ask(e: Event[Asked], step: Step) -> list[str | None]:
        match = {"question_id": e.data.question}
        both = await step.wait_for_all("both", [Awaited(Answered, match), Awaited(Closed, match)], timeout=30)
        return [came.name if came else None for came in both]

    got: list[object] = []
    publisher = Publisher(store)
    async with working(store, asking(ask, got)) as seen:
        await publisher.send(Asked(question="q1"))
        await seen.wait(OutboxDelivered, 2, where=lambda f: f.kind == "await")
        await publisher.send(Closed(question_id="q1"))
        await seen.wait(WaitEnded)
        assert got == []
        await publisher.send(Answered(question_id="q1", text="at last"))
        await seen.wait(RunEnded)
    assert got == [["test/answered", "test/closed"]]
    assert len(seen.all(RunStarted)) == 2, "the first of the two woke nobody"


async def test_of_all_those_that_came_in_time_are_told_apart_from_those_that_did_not(store: Store) -> None:
    async def ask(e: Event[Asked], step: Step) -> list[bool]:
        both = await step.wait_for_all("both", [Awaited(Answered), Awaited(Closed)], timeout=0.4)
        return [came is not None for came in both]

    got: list[object] = []
    async with working(store, asking(ask, got)) as seen:
        await Publisher(store).send(Asked(question="q1"))
        await Publisher(store).send(Closed(question_id="q1"))
        await seen.wait(RunEnded)
    assert got == [[False, True]]


async def test_waits_that_are_over_do_not_pile_up_where_no_event_comes(one_store: Store) -> None:
    calls, slot = WaitCalls(one_store), one_store.keys.slot(Answered.event_name)
    form, key = Awaited(Answered).form_and_key()
    ends = await one_store.time_ms() + 60_000
    for n in range(5):
        wait = Wait("test/asked", f"r{n}", FN, "answer", 0, slot.name, form, key, "0-0", ends)
        await calls.look(slot, wait, since="0-0", register=True)
        await one_store.call("ZADD", slot.waits, 1, wait.id)  # its time is over
    assert await one_store.call("ZCARD", slot.waits) == 1, "each took the one before it away"
    left = [await one_store.call("HLEN", slot.wait_items), await one_store.call("ZCARD", slot.wait_index)]
    assert [*left, await one_store.call("HVALS", slot.wait_forms)] == [1, 1, [b"1"]]


async def test_one_event_ends_many_waits_each_once(one_store: Store) -> None:
    async def ask(e: Event[Asked], step: Step) -> str | None:
        answer = await step.wait_for_event("answer", Answered, match={"right": True}, timeout=60)
        return e.data.question if answer else None

    got: list[object] = []
    publisher = Publisher(one_store)
    async with working(one_store, asking(ask, got)) as seen:
        for n in range(150):
            await publisher.send(Asked(question=str(n)))
        await seen.wait(OutboxDelivered, 150, where=lambda f: f.kind == "await")
        await publisher.send(Answered(question_id="all", text="yes", right=True))
        await seen.wait(RunEnded, 150)
        await seen.wait(WaitEnded, 150)
    assert sorted(got, key=str) == sorted(map(str, range(150)))
    assert len(seen.all(WaitEnded)) == 150


@pytest.mark.parametrize(
    ("match", "data"),
    [
        ({}, "{}"),
        ({"text": 'a "quoted" \\ ünïcode 😀'}, '{"text":"a \\"quoted\\" \\\\ \\u00fcn\\u00efcode \\ud83d\\ude00"}'),
        ({"text": "plain"}, '{"text":"\\u0070lain"}'),
        ({"rank": 7}, '{"rank":7}'),
        ({"rank": 17}, '{"rank":1.7e1}'),
        ({"rank": 17}, '{"rank":170E-1}'),
        ({"text": "plain \u00fc"}, '{"text":"plain \u00fc"}'),
        ({"text": "", "right": True}, '{"right":true,"text":""}'),
        ({"rank": -(2**53)}, '{"rank":-9007199254740992}'),
        ({"right": False}, '{"right":false}'),
        ({"by.name": "Ada", "rank": 0}, '{"by":{"name":"Ada"},"rank":0}'),
    ],
)
async def test_a_match_says_the_same_here_and_in_the_store(
    one_store: Store, match: dict[str, object], data: str
) -> None:
    await check_match(one_store, match, data, found=True)


@pytest.mark.parametrize(
    ("match", "data"),
    [
        ({"text": "7"}, '{"text":7}'),
        ({"rank": 1}, '{"rank":true}'),
        ({"text": "true"}, '{"text":true}'),
        ({"rank": 1}, '{"rank":1.5}'),
        ({"rank": 1}, "[1]"),
        ({"rank": 1}, "{not json"),
        ({"by.name": "Ada"}, '{"by":"Ada"}'),
        ({"by.name": "Ada"}, '{"by":null}'),
        ({"text": "a", "rank": 1}, '{"text":"a\\n2:n1","rank":2}'),
    ],
)
async def test_what_is_not_the_same_does_not_match(one_store: Store, match: dict[str, object], data: str) -> None:
    await check_match(one_store, match, data, found=False)


async def check_match(store: Store, match: dict[str, object], data: str, *, found: bool) -> None:
    slot = store.keys.slot(Answered.event_name)
    awaited = Awaited(Answered, match)  # type: ignore[arg-type]  # what may not be matched is tested too
    form, key = awaited.form_and_key()
    await store.call("XADD", slot.stream, "*", "data", data)
    for hint in ("", awaited.hint):
        wait = Wait("test/asked", "r", FN, "s", 0, slot.name, form, key, "0-0", 0, hint)
        assert isinstance(await WaitCalls(store).look(slot, wait, since="0-0", register=False), Found) == found


async def test_what_does_not_validate_ends_no_wait_and_is_buried(store: Store) -> None:
    got: list[object] = []
    async with working(store, asking(answer_to, got)) as seen:
        await Publisher(store).send(Asked(question="q1"))
        await waiting(seen)
        await store.call("XADD", "test/answered", "*", "data", '{"questionId":"q1"}')
        [buried] = await seen.wait(EventBuried)
        assert got == []
        await Publisher(store).send(Answered(question_id="q1", text="well formed"))
        await seen.wait(RunEnded)
    assert got == ["well formed"]
    assert "text" in buried.error


async def test_a_look_back_passes_over_what_does_not_validate(store: Store) -> None:
    got: list[object] = []
    await Publisher(store).send(Asked(question="q1"))
    await store.call("XADD", "test/answered", "*", "data", '{"questionId":"q1"}')
    await Publisher(store).send(Answered(question_id="q1", text="well formed"))
    async with working(store, asking(answer_to, got)) as seen:
        await seen.wait(RunEnded)
    assert got == ["well formed"]


async def left_waiting(store: Store, got: list[object]) -> None:
    """A run waits for its answer, and its worker has stopped."""
    async with working(store, asking(answer_to, got)) as seen:
        await Publisher(store).send(Asked(question="q1"))
        await waiting(seen)


async def test_a_wait_survives_its_worker(store: Store) -> None:
    got: list[object] = []
    await left_waiting(store, got)
    await Publisher(store).send(Answered(question_id="q1", text="meanwhile"))
    async with working(store, asking(answer_to, got)) as seen:
        await seen.wait(RunEnded)
    assert got == ["meanwhile"]


async def test_an_entry_that_a_dead_matcher_had_read_is_followed_up(store: Store) -> None:
    got: list[object] = []
    await left_waiting(store, got)
    await Publisher(store).send(Answered(question_id="q1", text="left behind"))
    await store.call("XREADGROUP", "GROUP", WAITS_GROUP, "dead", "STREAMS", "test/answered", ">")
    async with working(store, asking(answer_to, got), lease_ms=300) as seen:
        await seen.wait(RunEnded)
    assert got == ["left behind"]


async def test_two_waits_of_one_run_are_two_steps(store: Store) -> None:
    async def ask(e: Event[Asked], step: Step) -> list[str]:
        texts = []
        for n in range(2):
            answer = await step.wait_for_event(f"answer-{n}", Answered, match={"rank": n}, timeout=30)
            texts.append(answer.data.text if answer else "none")
        return texts

    got: list[object] = []
    async with working(store, asking(ask, got)) as seen:
        await Publisher(store).send(Asked(question="q1"))
        await waiting(seen)
        await Publisher(store).send(Answered(question_id="", text="first", rank=0))
        await seen.wait(RunParked, 2, where=lambda f: f.state == "waiting")
        await Publisher(store).send(Answered(question_id="", text="second", rank=1))
        await seen.wait(RunEnded)
    assert got == [["first", "second"]]


async def test_a_wait_that_can_t_be_ends_the_run_with_what_to_do(one_store: Store) -> None:
    functions = Functions()

    @functions.function("test/undeclared", on=[event(Asked)], retries=1)
    async def undeclared(e: Event[Asked], step: Step) -> None:
        await step.wait_for_event("answer", Answered, timeout=1)

    @functions.function("test/unknown", on=[event(Asked)], retries=1, awaits=[Answered])
    async def unknown(e: Event[Asked], step: Step) -> None:
        await step.wait_for_event("answer", Answered, match={"questoin_id": "q"}, timeout=1)

    @functions.function("test/float", on=[event(Asked)], retries=1, awaits=[Answered])
    async def inexact(e: Event[Asked], step: Step) -> None:
        await step.wait_for_event("answer", Answered, match={"rank": 1.5}, timeout=1)  # type: ignore[dict-item]  # the mistake itself

    async with working(one_store, functions) as seen:
        await Publisher(one_store).send(Asked(question="q1"))
        ended = {f.function: f.error for f in await seen.wait(RunEnded, 3)}
    assert "awaits=[Answered]" in ended["test/undeclared"]
    assert "has no field 'questoin_id'" in ended["test/unknown"]
    assert "small integer" in ended["test/float"]


async def test_a_wait_stays_for_a_worker_that_knows_the_event(one_store: Store) -> None:
    slot, awaited = one_store.keys.slot(Asked.event_name), one_store.keys.slot(Answered.event_name)
    form, key = Awaited(Answered).form_and_key()
    ends = await one_store.time_ms() + 60_000
    wait = Wait(slot.name, "r", FN, "answer", 0, awaited.name, form, key, "0-0", ends)
    item = OutboxItem(id="await:1", kind="await", target=awaited.name, event_id=wait.id, data=wait.encode())
    await one_store.call("HSET", slot.outbox_items, item.id, item.encode())
    calls, left = SlotCalls(one_store, Limits()), []
    for known in ({}, {awaited.name: Answered}):
        await one_store.call("ZADD", slot.outbox, 0, item.id)
        outbox = Outbox(calls, Publisher(one_store), Seen(), known)
        await outbox.sweep(slot)
        outbox.posted.close()
        left.append((await one_store.call("ZCARD", slot.outbox), await one_store.call("ZCARD", awaited.waits)))
    assert left == [(1, 0), (0, 1)]


async def test_the_time_of_a_wait_begins_when_it_is_reached(store: Store) -> None:
    """A step before it may take longer than the wait: the server's clock is put on by an hour meanwhile."""

    class Later(ServerClock):
        by = 0

        def now_at(self, key: str) -> int:
            return super().now_at(key) + self.by

    clock = Later(store, tolerance_ms=10**9)

    async def ask(e: Event[Asked], step: Step) -> str | None:
        def takes_an_hour() -> None:
            clock.by = 3_600_000

        await step.run("long", takes_an_hour)
        return await answer_to(e, step)

    got: list[object] = []
    stop, seen = anyio.Event(), Seen()
    worker = Worker(store, asking(ask, got), QUICK, Limits(), seen, clock=clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: worker.run(stop=stop, grace=0.1))  # by its clock the run is due, over and over
        await Publisher(store).send(Asked(question="q1"))
        await waiting(seen)
        slot = store.keys.slot(Answered.event_name)
        [body] = (await store.call("HGETALL", slot.wait_items))[1::2]
        stop.set()
    assert Wait.decode(body).ends_ms > await store.time_ms() + 3_600_000, "it stands longer than the run waits"


@pytest.mark.foreign_keys
async def test_what_can_t_be_told_to_one_run_stops_no_other(one_store: Store) -> None:
    got: list[object] = []
    async with working(one_store, asking(answer_to, got)) as seen:
        for name in ("q1", "q2", "q3"):
            await Publisher(one_store).send(Asked(question=name), id=name)
        await seen.wait(OutboxDelivered, 3, where=lambda f: f.kind == "await")
        run = one_store.keys.slot(Asked.event_name).run(f"{FN}:q2")
        kept = await one_store.call("DUMP", run)
        await one_store.call("SET", run, "in the way")
        for name in ("q2", "q1", "q3"):
            await Publisher(one_store).send(Answered(question_id=name, text=name))
        await seen.wait(RunEnded, 2)
        await seen.wait(Stuck)
        assert sorted(map(str, got)) == ["q1", "q3"]
        await one_store.call("RESTORE", run, 0, kept, "REPLACE")
        await seen.wait(RunEnded, 3)
        over = await seen.wait(Unstuck, where=lambda f: f.what.startswith("matching "))
    assert sorted(map(str, got)) == ["q1", "q2", "q3"]
    assert {(f.slot, f.what) for f in over} <= {(f.slot, f.what) for f in seen.all(Stuck)}


@pytest.mark.foreign_keys
async def test_a_match_that_another_worker_makes_is_told_as_over_by_who_told_it_stuck(one_store: Store) -> None:
    got: list[object] = []
    async with working(one_store, asking(answer_to, got)) as seen:
        await Publisher(one_store).send(Asked(question="q1"), id="q1")
        await seen.wait(OutboxDelivered, where=lambda f: f.kind == "await")
        slot, run = one_store.keys.slot(Answered.event_name), one_store.keys.slot(Asked.event_name).run(f"{FN}:q1")
        kept = await one_store.call("DUMP", run)
        await one_store.call("SET", run, "in the way")
        await Publisher(one_store).send(Answered(question_id="q1", text="q1"))
        [stuck] = await seen.wait(Stuck, where=lambda f: f.what.startswith("matching "))
        # As if another one had: it is not pending any more.
        await one_store.call("XACK", slot.stream, WAITS_GROUP, stuck.what.removeprefix("matching "))
        [over] = await seen.wait(Unstuck, where=lambda f: f.what.startswith("matching "))
        await one_store.call("RESTORE", run, 0, kept, "REPLACE")
    assert (over.slot, over.what) == (stuck.slot, stuck.what)


@pytest.mark.parametrize("body", ["x", "{}", '{"key": 1}', "[]"])
async def test_a_wait_that_can_t_be_read_is_taken_away_whole(one_store: Store, body: str) -> None:
    slot = one_store.keys.slot(Answered.event_name)
    await one_store.call("ZADD", slot.waits, 1, "bad")
    await one_store.call("HSET", slot.wait_items, "bad", body)
    assert await WaitCalls(one_store).unwait(slot, ["bad"]) == 1
    assert await one_store.call("EXISTS", slot.waits, slot.wait_items) == 0


async def test_an_item_whose_wait_can_t_be_read_stays_and_ends_no_worker(one_store: Store) -> None:
    slot, awaited = one_store.keys.slot(Asked.event_name), one_store.keys.slot(Answered.event_name)
    item = OutboxItem(id="await:1", kind="await", target=awaited.name, event_id="w", data='{"slot": 7}')
    await one_store.call("HSET", slot.outbox_items, item.id, item.encode())
    await one_store.call("ZADD", slot.outbox, 0, item.id)
    seen = Seen()
    outbox = Outbox(SlotCalls(one_store, Limits()), Publisher(one_store), seen, {awaited.name: Answered})
    await outbox.sweep(slot)
    outbox.posted.close()
    assert len(seen.all(Stuck)) == 1
    assert await one_store.call("ZCARD", slot.outbox) == 1


async def test_a_wait_that_asks_for_something_else_now_ends_its_run_with_what_it_waited_for(one_store: Store) -> None:
    async def other(e: Event[Asked], step: Step) -> None:
        await step.wait_for_event("answer", Answered, match={"rank": 2}, timeout=30)

    got: list[object] = []
    async with working(one_store, asking(answer_to, got)) as seen:
        await Publisher(one_store).send(Asked(question="q1"))
        await waiting(seen)
    await Publisher(one_store).send(Answered(question_id="q1", text="yes"))
    async with working(one_store, asking(other, got)) as seen:
        [ended] = await seen.wait(RunEnded)
    assert ended.status == "failed"
    assert "question" in ended.error


async def test_several_large_events_count_once_against_the_limit_of_a_run(one_store: Store) -> None:
    async def ask(e: Event[Asked], step: Step) -> int:
        both = await step.wait_for_all("both", [Awaited(Answered, {"rank": n}) for n in range(2)], timeout=30)
        return sum(len(came.data.text) for came in both if came)

    got: list[object] = []
    limits = Limits(run_bytes=500_000)
    async with working(one_store, asking(ask, got), limits=limits) as seen:
        await Publisher(one_store).send(Asked(question="q1"))
        await seen.wait(OutboxDelivered, 2, where=lambda f: f.kind == "await")
        for n in range(2):
            await Publisher(one_store).send(Answered(question_id="", text="x" * 200_000, rank=n))
        await seen.wait(RunEnded)
    assert got == [400_000]


@pytest.mark.slow
async def test_sent_around_the_registration_every_answer_is_matched_once(one_store: Store) -> None:
    """F17: from well before to well after the run begins to wait."""

    got: list[object] = []
    publisher, runs = Publisher(one_store), 200

    async def trial(n: int) -> None:
        await publisher.send(Asked(question=str(n)), id=f"q{n}")
        await anyio.sleep((n % 20) * 0.002)
        await publisher.send(Answered(question_id=str(n), text=str(n)), id=f"a{n}")

    async with working(one_store, asking(answer_to, got)) as seen:
        for first in range(0, runs, 40):
            async with anyio.create_task_group() as tasks:
                for n in range(first, first + 40):
                    tasks.start_soon(trial, n)
        await seen.wait(RunEnded, runs)
    assert sorted(map(str, got)) == sorted(map(str, range(runs)))


async def test_an_answer_counts_though_the_clock_was_set_back_before_it(store: Store) -> None:
    """Our event's id lies ahead of the clock, and so of the ids on the stream where the answer comes."""
    got: list[object] = []
    async with working(store, asking(answer_to, got)) as seen:
        ahead = await store.time_ms() + 60_000
        await store.call("XADD", store.keys.slot("test/asked").stream, f"{ahead}-0", "data", '{"question":"q"}')
        await waiting(seen)
        await Publisher(store).send(Answered(question_id="q", text="yes"))
        await seen.wait(RunEnded)
    assert got == ["yes"]


@pytest.mark.parametrize("ahead_ms", [60_000, 1_500])
async def test_an_answer_counts_though_the_clock_was_set_back_and_the_run_slept_before_it_waited(
    one_store: Store, ahead_ms: int
) -> None:
    """The id of its event says nothing of when the run began: longer ago than any leeway, and by now the clock may be
    past that id again."""

    async def ask(e: Event[Asked], step: Step) -> str | None:
        await step.sleep("first", 2.5)
        return await answer_to(e, step)

    got: list[object] = []
    async with working(one_store, asking(ask, got)) as seen:
        ahead = await one_store.time_ms() + ahead_ms
        await one_store.call("XADD", one_store.keys.slot("test/asked").stream, f"{ahead}-0", "data", '{"question":"q"}')
        await seen.wait(RunParked)
        await Publisher(one_store).send(Answered(question_id="q", text="yes"))
        await seen.wait(RunEnded)
    assert got == ["yes"]


async def test_an_answer_counts_that_came_in_the_first_step_of_a_run_though_the_clock_was_set_back(
    one_store: Store,
) -> None:
    """The record is made at the end of that step: it says when the run began, not when the step was over."""

    async def work() -> None:
        await Publisher(one_store).send(Answered(question_id="q", text="yes"))
        await anyio.sleep(LEEWAY_MS / 1000 + 0.5)

    async def ask(e: Event[Asked], step: Step) -> str | None:
        await step.run("work", work)
        await step.sleep("first", 0.1)
        return await answer_to(e, step)

    got: list[object] = []
    async with working(one_store, asking(ask, got)) as seen:
        ahead = await one_store.time_ms() + 60_000
        await one_store.call("XADD", one_store.keys.slot("test/asked").stream, f"{ahead}-0", "data", '{"question":"q"}')
        await seen.wait(RunEnded)
    assert got == ["yes"]


async def test_an_answer_counts_that_came_while_its_dead_worker_was_missed_though_the_clock_was_set_back(
    one_store: Store,
) -> None:
    """The first begin left no record but for this: the one that took it over can't know when that was."""
    got: list[object] = []
    slot = one_store.keys.slot("test/asked")
    ahead = await one_store.time_ms() + 60_000
    functions = asking(answer_to, got)
    await SlotCalls(one_store, Limits()).ensure_group(slot, FN)
    entry = f"{ahead}-0"
    await one_store.call("XADD", slot.stream, entry, "data", '{"question":"q"}')
    await one_store.call("XREADGROUP", "GROUP", FN, "dead", "STREAMS", slot.stream, ">")
    dead = Delivery(slot, FN, "dead", entry, f"{FN}:{entry}", "claim", ready=False)
    begun = await RunCalls(one_store, Limits()).begin(dead, explicit_id="", record_wanted=False, looks_back=True)
    assert isinstance(begun, Begun)
    await Publisher(one_store).send(Answered(question_id="q", text="yes"))
    await later(one_store, LEEWAY_MS + 200)
    async with working(one_store, functions, lease_ms=600) as seen:
        await seen.wait(RunEnded)
    assert got == ["yes"]


async def test_a_worker_that_began_without_a_store_reckons_by_the_servers_clock_all_the_same(one_store: Store) -> None:
    """Its wall clock is ten minutes off; a look back of so much would find nothing."""

    async def insist(write: Callable[[], Awaitable[bool | Refused]]) -> bool | Refused:
        return await write()

    functions = Functions()

    @functions.function(FN, on=[event(Asked)], retries=1)
    async def ask(e: Event[Asked], step: Step) -> None:
        return None

    clock = ServerClock(one_store, tolerance_ms=500, wall=lambda: (time.time() + 600) * 1000)
    worker = Worker(one_store, functions, clock=clock)
    door = Door(functions, worker.run_calls, worker.outbox, clock, Seen(), Limits())
    slot, data = one_store.keys.slot(Asked.event_name), {b"data": b'{"question": "q"}', b"ts": b"0"}
    entry = (await Publisher(one_store).send(Asked(question="q"))).entry or ""
    d = Delivery(slot, FN, "worker", entry, "", "claim", ready=False)
    admitted = await door.admit(functions[FN], Incoming(slot, entry, data, ready=False, again=False), d, insist)
    worker.outbox.posted.close()
    assert isinstance(admitted, Admitted)
    assert abs(admitted.begun.now_ms - await one_store.time_ms()) < 300_000
    assert abs(clock.now_ms() - await one_store.time_ms()) < 300_000
