"""Events that cancel a run, whatever it does: at rest, waiting, without a permit, at work, not yet begun."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, ClassVar
from uuid import UUID

import anyio
import pytest

from joelclaw_bus import (
    CancelOn,
    Event,
    Functions,
    Publisher,
    RegistrationInvalid,
    Step,
    Store,
    cancel_on,
    cron,
    event,
)
from joelclaw_bus.inspect.runs import list_runs
from joelclaw_bus.observer import LeaseLost, RunCancelled, RunEnded, RunParked, RunStarted
from joelclaw_contracts import EventModel, WireModel
from tests.support.waiting import later, until
from tests.support.workers import working


class Ordered(EventModel):
    event_name: ClassVar[str] = "shop/ordered"

    order_id: str
    note: str | None = None
    does: str = ""


class Withdrawn(EventModel):
    event_name: ClassVar[str] = "shop/withdrawn"

    order_id: str = ""
    note: str = ""


class Paid(EventModel):
    event_name: ClassVar[str] = "shop/paid"


class Plan(str, Enum):  # noqa: UP042  # whose str() is not its value, unlike a StrEnum's
    FREE = "free"


class Numbered(EventModel):
    event_name: ClassVar[str] = "shop/numbered"

    order_id: int


class Line(WireModel):
    line_id: str | None = None
    plan: Plan = Plan.FREE


class Begun(EventModel):
    event_name: ClassVar[str] = "plan/begun"

    line: Line | None = None
    plan: Plan
    seat: UUID
    price: float = 0


class Left(EventModel):
    event_name: ClassVar[str] = "plan/left"

    line: Line | None = None
    plan: Plan
    seat: str = ""
    price: int = 0


Body = Callable[[Event[Ordered], Step], Awaitable[Any]]
BY_ORDER = cancel_on(Withdrawn, "order_id")


def charging(body: Body, **options: Any) -> Functions:
    functions = Functions()
    given = {"cancel_on": [BY_ORDER], "awaits": [Paid], **options}
    functions.function("shop/charge", on=[event(Ordered)], retries=1, **given)(body)
    return functions


async def sleeps(e: Event[Ordered], step: Step) -> None:
    await step.sleep("nap", 600)


async def waits(e: Event[Ordered], step: Step) -> None:
    await step.wait_for_event("paid", Paid, timeout=600)


async def statuses(store: Store) -> dict[str, tuple[str, str]]:
    runs = await list_runs(store, event=Ordered.event_name)
    return {run.id.partition(":")[2]: (run.state, run.error) for run in runs}


async def no_wait_left(store: Store) -> bool:
    keys = [store.keys.slot(m.event_name).wait_items for m in (Withdrawn, Paid)]
    return [int(await store.call("HLEN", key)) for key in keys] == [0, 0]


@pytest.mark.parametrize(("body", "state"), [(sleeps, "due"), (waits, "waiting")])
async def test_a_run_at_rest_is_cancelled_by_the_event_that_says_the_same_and_no_other_run_is(
    store: Store, body: Body, state: str
) -> None:
    publisher = Publisher(store)
    async with working(store, charging(body)) as seen:
        for order in ("1", "2"):
            await publisher.send(Ordered(order_id=order), id=order)
        await seen.wait(RunParked, 2, where=lambda f: f.state == state)
        sent = await publisher.send(Withdrawn(order_id="2"), id="w")
        (fact,) = await seen.wait(RunCancelled)
        assert (fact.run, fact.event, fact.entry, fact.was) == (
            "shop/charge:2",
            Withdrawn.event_name,
            sent.entry,
            state,
        )
        told = await statuses(store)
        assert told["2"] == ("cancelled", f"cancelled by shop/withdrawn {sent.entry}")
        assert told["1"][0] == state
        await publisher.send(Withdrawn(order_id="1"), id="w1")
        await seen.wait(RunCancelled, 2)
        await until(lambda: no_wait_left(store))


async def test_a_handler_at_work_is_stopped_and_writes_nothing_more(store: Store) -> None:
    began, stopped = anyio.Event(), anyio.Event()

    async def works(e: Event[Ordered], step: Step) -> None:
        began.set()
        try:
            await anyio.sleep(60)
        finally:
            stopped.set()

    async with working(store, charging(works), lease_ms=600) as seen:
        await Publisher(store).send(Ordered(order_id="1"), id="1")
        await began.wait()
        await Publisher(store).send(Withdrawn(order_id="1"), id="w")
        assert (await seen.wait(RunCancelled))[0].was == "queued"
        await seen.wait(LeaseLost)
        assert stopped.is_set()
    assert not seen.all(RunEnded)
    assert (await statuses(store))["1"][0] == "cancelled"


async def test_what_came_between_the_event_and_its_begin_cancels_before_the_handler_is_called(store: Store) -> None:
    await Publisher(store).send(Withdrawn(order_id="1"), id="too early: of an order before this one")
    await later(store, 2)  # another millisecond: an entry's id is the only order there is between two streams
    await Publisher(store).send(Ordered(order_id="1"), id="1")
    await Publisher(store).send(Ordered(order_id="2"), id="2")
    sent = await Publisher(store).send(Withdrawn(order_id="1"), id="w")

    async def works(e: Event[Ordered], step: Step) -> str:
        return e.data.order_id

    async with working(store, charging(works)) as seen:
        (fact,) = await seen.wait(RunCancelled)
        assert (fact.run, fact.entry) == ("shop/charge:1", sent.entry)
        await seen.wait(RunEnded, where=lambda f: f.run == "shop/charge:2")
        await until(lambda: no_wait_left(store))
    assert [f.run for f in seen.all(RunStarted)] == ["shop/charge:2"]


async def test_a_run_that_waits_for_its_permit_is_cancelled_and_leaves_the_line(store: Store) -> None:
    go = anyio.Event()

    async def works(e: Event[Ordered], step: Step) -> None:
        await go.wait()

    publisher = Publisher(store)
    async with working(store, charging(works, concurrency=1)) as seen:
        await publisher.send(Ordered(order_id="1"), id="1")
        await seen.wait(RunStarted)
        await publisher.send(Ordered(order_id="2"), id="2")
        await seen.wait(RunParked, where=lambda f: f.state == "held")
        await publisher.send(Withdrawn(order_id="2"), id="w")
        assert (await seen.wait(RunCancelled))[0].was == "held"
        await publisher.send(Ordered(order_id="3"), id="3")
        go.set()
        await seen.wait(RunEnded, 2)
    assert [f.run for f in seen.all(RunStarted)] == ["shop/charge:1", "shop/charge:3"]


async def test_a_wait_that_was_lost_on_the_way_is_made_up_for_by_the_next_begin(store: Store) -> None:
    """An older worker's matcher knows no such wait: it takes it away, and the event with it."""

    async def naps(e: Event[Ordered], step: Step) -> None:
        await step.sleep("nap", 0.3)

    async with working(store, charging(naps)) as seen:
        await Publisher(store).send(Ordered(order_id="1"), id="1")
        await seen.wait(RunParked)
        slot = store.keys.slot(Withdrawn.event_name)
        await store.call("DEL", slot.waits, slot.wait_items, slot.wait_index, slot.wait_forms)
        await Publisher(store).send(Withdrawn(order_id="1"), id="w")
        await seen.wait(RunCancelled)
    assert (await statuses(store))["1"][0] == "cancelled"
    assert len(seen.all(RunStarted)) == 1


async def test_a_run_whose_event_leaves_the_field_empty_is_cancelled_by_none_and_ends(store: Store) -> None:
    async def works(e: Event[Ordered], step: Step) -> None:
        return None

    async with working(store, charging(works, cancel_on=[cancel_on(Withdrawn, "note")])) as seen:
        await Publisher(store).send(Ordered(order_id="1"), id="1")
        assert (await seen.wait(RunEnded))[0].status == "completed"
        assert await no_wait_left(store)


async def test_waits_of_a_declaration_that_is_gone_are_taken_away_by_the_next_begin(store: Store) -> None:
    async def naps(e: Event[Ordered], step: Step) -> None:
        for n in range(500):
            await step.sleep(f"nap {n}", 0.3)

    async with working(store, charging(naps)) as seen:
        await Publisher(store).send(Ordered(order_id="1"), id="1")
        await seen.wait(RunParked)
    assert not await no_wait_left(store)
    async with working(store, charging(naps, cancel_on=[])) as seen:
        await until(lambda: no_wait_left(store))
        await Publisher(store).send(Withdrawn(order_id="1"), id="w")
        await seen.wait(RunParked, 2)
    assert not seen.all(RunCancelled)


async def test_a_filtered_event_with_an_id_leaves_no_record(store: Store) -> None:
    async def works(e: Event[Ordered], step: Step) -> None:
        return None

    functions = Functions()
    on = [event(Ordered, when=lambda e: e.data.does == "charge")]
    functions.function("shop/charge", on=on, retries=1, cancel_on=[BY_ORDER])(works)
    async with working(store, functions) as seen:
        await Publisher(store).send(Ordered(order_id="1"), id="1")
        assert (await seen.wait(RunEnded))[0].status == "skipped"
    assert await statuses(store) == {}


async def test_a_handler_can_not_take_the_step_of_these_waits(one_store: Store) -> None:
    async def works(e: Event[Ordered], step: Step) -> None:
        await step.sleep("~cancel", 0.01)

    async with working(one_store, charging(works, cancel_on=[])) as seen:
        await Publisher(one_store).send(Ordered(order_id="1"), id="1")
        assert "take another name" in (await seen.wait(RunEnded))[0].error


@pytest.mark.parametrize("path", ["plan", "line.line_id", "line.lineId", "line.plan"])
def test_what_cancels_is_matched_as_the_wire_says_it_by_either_name(path: str) -> None:
    line = Line(line_id="7", plan=Plan.FREE)
    rule, begun = cancel_on(Left, path), Begun(plan=Plan.FREE, line=line, seat=UUID(int=1))
    Functions().function("shop/charge", on=[event(Begun)], retries=1, cancel_on=[rule])
    awaited = rule.awaited(Event("plan/begun", "1", "1-0", 1, "test", "", begun))
    assert awaited is not None
    ((wire, value),) = awaited.match.items()
    said: Any = json.loads(Left(plan=Plan.FREE, line=line).to_json())
    for part in wire.split("."):
        said = said[part]
    assert (said, awaited.form_and_key()[0]) == (value, json.dumps([wire]))
    assert awaited.hint == value, "a plain value, not the name of a member"


@pytest.mark.parametrize(
    ("on", "cancels", "why"),
    [
        ([event(Ordered)], [cancel_on(Withdrawn, "order")], "can't match 'order': event shop/withdrawn has no field"),
        ([event(Paid)], [BY_ORDER], "can't match 'order_id': event shop/paid has no field"),
        ([cron("0 3 * * *")], [BY_ORDER], "ticks have no field 'order_id'; give it a function of its own"),
        ([event(Begun)], [cancel_on(Left, "line.nosuch")], "'line.nosuch': Line has no field 'nosuch'; it has lineId"),
        ([event(Begun)], [cancel_on(Left, "line")], "'line' of event plan/left is no string, integer"),
        ([event(Begun)], [cancel_on(Left, "plan.name")], "'plan' of event plan/left is no object"),
        ([event(Begun)], [cancel_on(Left, "seat")], "'seat' of event plan/begun is no string, integer"),
        ([event(Begun)], [cancel_on(Left, "price")], "'price' of event plan/begun is no string, integer"),
        ([event(Ordered)], [cancel_on(Numbered, "order_id")], "int is never the same as in shop/ordered"),
        ([event(Ordered)], [BY_ORDER, cancel_on(Withdrawn, "note")], "has two cancel_on for one event"),
    ],
)
def test_what_can_not_cancel_is_refused_at_registration(on: Any, cancels: list[CancelOn], why: str) -> None:
    with pytest.raises(RegistrationInvalid, match=why):
        Functions().function("shop/charge", on=on, retries=1, cancel_on=cancels)
