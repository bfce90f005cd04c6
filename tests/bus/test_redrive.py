"""Failed runs opened again: once for each letter, fenced against their past, and heard of when they fail again."""

from __future__ import annotations

from typing import ClassVar

from joelclaw_bus import Event, Functions, Limits, Publisher, Reject, Step, Store, event
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.inspect.dead import list_dead
from joelclaw_bus.observer import OutboxDelivered, RunEnded
from joelclaw_bus.order_calls import OrderCalls, Redriven
from joelclaw_bus.run_calls import Refused, RunCalls
from joelclaw_contracts import EventModel
from tests.support.workers import working

FN, RUN = "test/ask", "test/ask:one"


class Asked(EventModel):
    event_name: ClassVar[str] = "test/asked"


class GaveUp(EventModel):
    event_name: ClassVar[str] = "test/gave.up"


def failing() -> Functions:
    functions = Functions()

    @functions.function(FN, on=[event(Asked)], retries=1, on_failure=lambda f: [GaveUp()])
    async def ask(e: Event[Asked], step: Step) -> None:
        raise Reject("no answer")

    return functions


async def the_letter(store: Store) -> str:
    (letter,) = await list_dead(store, pattern=Asked.event_name)
    return letter.id


async def redrive(store: Store, letter: str) -> Redriven:
    calls = OrderCalls(store, Limits())
    return await calls.redrive(store.keys.slot(Asked.event_name), RUN, letter, from_start=False)


async def test_a_letter_opens_its_run_once_and_a_second_failure_is_told_as_the_first_was(store: Store) -> None:
    async with working(store, failing()) as seen:
        await Publisher(store).send(Asked(), id="one")
        await seen.wait(RunEnded)
        first = await the_letter(store)
        assert await redrive(store, first) == Redriven(True, "")
        await seen.wait(RunEnded, 2)
        second = await the_letter(store)
        assert await redrive(store, first) == Redriven(False, "letter gone"), "it failed again since, by another letter"
        await seen.wait(OutboxDelivered, 2)
    told = await store.call("XRANGE", store.keys.slot(GaveUp.event_name).stream, "-", "+")
    assert len(told) == 2
    assert second != first


async def test_who_ended_it_before_can_not_end_it_again(store: Store) -> None:
    slot, calls = store.keys.slot(Asked.event_name), RunCalls(store, Limits())
    await store.call("XGROUP", "CREATE", slot.stream, FN, "0", "MKSTREAM")
    entry = (await store.call("XADD", slot.stream, "*", "data", "{}", "id", "one")).decode()
    await store.call("XREADGROUP", "GROUP", FN, "old", "STREAMS", slot.stream, ">")
    await store.call("HSET", store.keys.slots, slot.name, 1)
    past = Delivery(slot, FN, "old", entry, RUN, "its-claim", False)
    await calls.begin(past, explicit_id="one", record_wanted=True)
    assert isinstance(await calls.finish(past, status="failed", error="no answer", keep=True), int)
    assert isinstance(await calls.finish(past, status="failed", error="no answer", keep=True), int), "told again"
    assert (await redrive(store, await the_letter(store))).done
    assert isinstance(await calls.finish(past, status="completed", keep=True), Refused)
    parked = await calls.park(past, state="due", channel=store.keys.nudges, delay_ms=60_000)
    assert isinstance(parked, Refused)
    assert await store.call("HGET", slot.run(RUN), "state") == b"due"
    for key in (slot.run(RUN), slot.open, slot.due, slot.stream):  # nobody is there to end it
        await store.call("DEL", key)
