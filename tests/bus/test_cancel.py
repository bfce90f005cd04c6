"""Ending a run from outside, in every state that it can be in."""

from __future__ import annotations

from typing import ClassVar

import anyio
import pytest

from joelclaw_bus import Backoff, Event, Functions, Limits, Publisher, Step, Store, event
from joelclaw_bus.observer import LeaseLost, OutboxDelivered, RunEnded, RunParked, RunRetried, RunStarted, StepRecorded
from joelclaw_bus.order_calls import Cancelled, OrderCalls
from joelclaw_contracts import EventModel
from tests.support.waiting import later
from tests.support.workers import working


class Asked(EventModel):
    event_name: ClassVar[str] = "test/asked"

    way: str = ""


class Answered(EventModel):
    event_name: ClassVar[str] = "test/answered"


FN = "test/ask"
RUN = f"{FN}:one"


def resting(did: list[str]) -> Functions:
    """A function that rests in the way that its event says, and notes what it does after that."""
    functions = Functions()
    slow = Backoff(base_ms=600_000, cap_ms=600_000)

    @functions.function(FN, on=[event(Asked)], retries=1, backoff=slow, concurrency=1, awaits=[Answered])
    async def ask(e: Event[Asked], step: Step) -> None:
        match e.data.way:
            case "sleep":
                await step.sleep("nap", 600)
            case "retry":
                raise OSError("not yet")
            case "wait":
                await step.wait_for_event("answer", Answered, timeout=600)
            case "run":
                await step.run("first", lambda: did.append("first"))
                await anyio.sleep(600)
        did.append("after")

    return functions


async def cancel(store: Store, reason: str = "no longer wanted") -> Cancelled:
    return await OrderCalls(store, Limits()).cancel(store.keys.slot(Asked.event_name), RUN, reason)


@pytest.mark.parametrize(("way", "state"), [("sleep", "due"), ("retry", "due"), ("wait", "waiting")])
async def test_a_resting_run_is_cancelled_and_never_goes_on(store: Store, way: str, state: str) -> None:
    did: list[str] = []
    slot = store.keys.slot(Asked.event_name)
    async with working(store, resting(did)) as seen:
        await Publisher(store).send(Asked(way=way), id="one")
        await seen.wait(RunRetried if way == "retry" else RunParked)
        assert await cancel(store) == Cancelled(True, state)
        if way == "wait":
            await seen.wait(OutboxDelivered, where=lambda f: f.kind == "unwait")
        await Publisher(store).send(Answered())
        await later(store, 100)
    assert did == []
    assert await store.call("HMGET", slot.run(RUN), "status", "error") == [b"cancelled", b"no longer wanted"]
    assert await store.call("ZCARD", slot.due) == 0


async def test_a_run_whose_wait_is_lost_can_be_cancelled_all_the_same(one_store: Store) -> None:
    async with working(one_store, resting([]), chores=60) as seen:
        await Publisher(one_store).send(Asked(way="wait"), id="one")
        await seen.wait(RunParked)
        await seen.wait(OutboxDelivered, where=lambda f: f.kind == "await")
        await one_store.call("HDEL", one_store.keys.slot(Asked.event_name).run(RUN), "w:answer", "wait")
        assert await cancel(one_store) == Cancelled(True, "waiting")


async def test_an_executing_run_stops_and_none_of_its_writes_is_accepted(store: Store) -> None:
    did: list[str] = []
    async with working(store, resting(did), lease_ms=600) as seen:
        await Publisher(store).send(Asked(way="run"), id="one")
        await seen.wait(StepRecorded)
        assert (await cancel(store)).done
        await seen.wait(LeaseLost)  # at its next renewal: it makes no write meanwhile
    assert "after" not in did
    assert seen.all(RunEnded) == []
    pending = await store.call("XPENDING", Asked.event_name, FN)
    assert pending[0] == 0, "its entry was acknowledged with its end"


async def test_a_held_run_is_cancelled_and_the_one_before_it_is_not_disturbed(store: Store) -> None:
    did: list[str] = []
    async with working(store, resting(did)) as seen:
        await Publisher(store).send(Asked(way="run"), id="zero")
        await seen.wait(RunStarted)
        await Publisher(store).send(Asked(way="go"), id="one")
        await seen.wait(RunParked, where=lambda f: f.state == "held")
        assert await cancel(store) == Cancelled(True, "held")
        assert (await OrderCalls(store, Limits()).cancel(store.keys.slot(Asked.event_name), f"{FN}:zero", "x")).done


async def test_an_ended_run_and_one_that_never_was_are_told_apart(store: Store) -> None:
    assert await cancel(store) == Cancelled(False, "")
    async with working(store, resting([])) as seen:
        await Publisher(store).send(Asked(way="go"), id="one")
        await seen.wait(RunEnded)
    assert await cancel(store) == Cancelled(False, "completed")


async def test_a_second_entry_of_a_cancelled_run_is_dropped(store: Store) -> None:
    did: list[str] = []
    async with working(store, resting(did)) as seen:
        await Publisher(store).send(Asked(way="sleep"), id="one")
        await seen.wait(RunParked)
        await cancel(store)
        await store.call("XADD", "test/asked", "*", "data", "{}", "id", "one")
        await Publisher(store).send(Asked(way="go"), id="two")
        await seen.wait(RunEnded)
    assert did == ["after"], "only the second event's run did anything"


async def test_an_event_that_nobody_has_read_is_cancelled_and_acknowledged_by_whoever_comes(store: Store) -> None:
    did: list[str] = []
    calls, slot = OrderCalls(store, Limits()), store.keys.slot(Asked.event_name)
    sent = await Publisher(store).send(Asked(way="go"), id="one")
    assert sent.entry is not None
    assert await calls.cancel_unread(slot, RUN, sent.entry, "withdrawn") == Cancelled(True, "unread")
    assert await calls.cancel_unread(slot, RUN, sent.entry, "again") == Cancelled(False, "ended")
    assert await calls.cancel_unread(slot, f"{FN}:two", "1-1", "no such entry") == Cancelled(False, "")
    async with working(store, resting(did)) as seen:
        await Publisher(store).send(Asked(way="go"), id="two")
        await seen.wait(RunEnded)
        assert [fact.run for fact in seen.all(RunEnded)] == [f"{FN}:two"]
    assert did == ["after"], "only the second event's run did anything"
    assert (await store.call("XPENDING", slot.stream, FN))[0] == 0
    assert await store.call("HMGET", slot.run(RUN), "status", "error") == [b"cancelled", b"withdrawn"]


async def test_a_run_that_began_meanwhile_or_is_over_is_not_cancelled_as_unread(store: Store) -> None:
    calls, slot = OrderCalls(store, Limits()), store.keys.slot(Asked.event_name)
    async with working(store, resting([])) as seen:
        resting_one = await Publisher(store).send(Asked(way="sleep"), id="one")
        await seen.wait(RunParked)
        over = await Publisher(store).send(Asked(way="go"), id="two")
        await seen.wait(RunEnded)
        await store.call("DEL", slot.run(f"{FN}:two"))
        assert resting_one.entry is not None
        assert over.entry is not None
        assert await calls.cancel_unread(slot, RUN, resting_one.entry, "x") == Cancelled(False, "due")
        assert await calls.cancel_unread(slot, f"{FN}:two", over.entry, "x") == Cancelled(False, "acknowledged")
