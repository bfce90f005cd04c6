"""Limits across workers: never more than allowed, nobody waits for ever, and whatever is lost heals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import anyio
import pytest

from joelclaw_bus import (
    Backoff,
    Event,
    Functions,
    Limit,
    Publisher,
    Step,
    Store,
    StoreSettings,
    cron,
    event,
    open_store,
)
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.leases import HeldPermit
from joelclaw_bus.limits import Limits
from joelclaw_bus.observer import RunEnded, RunParked, RunStarted, TickEnqueued
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.permits import Claimed, Permits
from joelclaw_bus.publisher import release_item
from joelclaw_bus.run_calls import RunCalls
from joelclaw_bus.script import load_script
from joelclaw_bus.slot_calls import SlotCalls
from joelclaw_contracts import EventModel
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.waiting import later
from tests.support.workers import working


class Job(EventModel):
    event_name: ClassVar[str] = "test/job"

    name: str
    target: str = ""


FAST = {"lease_ms": 1_000, "fallback_ms": 60_000}
"""No fallback within a test: what goes on does so because it was handed its permit."""


class Crowd:
    """Counts who is inside, per key; `most` is what a limit promises."""

    def __init__(self) -> None:
        self.inside: dict[str, int] = defaultdict(int)
        self.most: dict[str, int] = defaultdict(int)
        self.order: list[str] = []

    @asynccontextmanager
    async def enter(self, key: str, name: str = "") -> AsyncIterator[None]:
        self.inside[key] += 1
        self.most[key] = max(self.most[key], self.inside[key])
        self.order.append(name)
        try:
            yield
        finally:
            self.inside[key] -= 1


@asynccontextmanager
async def two_workers(server: Server, functions: Functions, **settings: Any) -> AsyncIterator[Seen]:
    """Two workers with a store each; one observer sees both."""
    seen = Seen()
    async with (
        open_store(StoreSettings(server.url)) as one,
        open_store(StoreSettings(server.url)) as two,
        working(one, functions, seen=seen, **{**FAST, **settings}),
        working(two, functions, seen=seen, **{**FAST, **settings}),
    ):
        yield seen


def by_target(e: Event[Job]) -> str:
    return e.data.target


@pytest.mark.parametrize("per_key", [False, True])
@pytest.mark.parametrize(("limit", "most"), [("concurrency", 1), ("concurrency", 3), ("exclusive", 2)])
async def test_never_more_than_the_limit_run_over_two_workers(
    server: Server, store: Store, limit: str, most: int, per_key: bool
) -> None:
    functions, crowd = Functions(), Crowd()
    limited: dict[str, Any] = {limit: Limit(most, by_target if per_key else None)}

    @functions.function("test/work", on=[event(Job)], retries=1, **limited)
    async def work(e: Event[Job], step: Step) -> None:
        async with crowd.enter(e.data.target if per_key else ""):
            await anyio.lowlevel.checkpoint()
            await step.run("look", lambda: 1)

    for n in range(10):
        await Publisher(store).send(Job(name=str(n), target="ab"[n % 2]))
    async with two_workers(server, functions) as seen:
        await seen.wait(RunEnded, 10)
    assert len(crowd.order) == 10
    assert set(crowd.most) == ({"a", "b"} if per_key else {""})
    assert all(1 <= reached <= most for reached in crowd.most.values())


async def test_exclusive_counts_runs_that_rest_and_concurrency_does_not(server: Server, store: Store) -> None:
    functions = Functions()

    @functions.function("test/alone", on=[event(Job)], retries=1, exclusive=1)
    async def alone(e: Event[Job], step: Step) -> None:
        await step.sleep("rest", 0.3)

    @functions.function("test/busy", on=[event(Job)], retries=1, concurrency=1)
    async def busy(e: Event[Job], step: Step) -> None:
        await step.sleep("rest", 0.3)

    for n in range(3):
        await Publisher(store).send(Job(name=str(n)))
    async with two_workers(server, functions) as seen:
        await seen.wait(RunEnded, 6)
    facts = [f for f in seen.facts if isinstance(f, RunParked | RunEnded)]
    alone_facts = [type(f).__name__ for f in facts if f.function == "test/alone" and getattr(f, "state", "") != "held"]
    busy_facts = [type(f).__name__ for f in facts if f.function == "test/busy" and getattr(f, "state", "") != "held"]
    assert alone_facts == ["RunParked", "RunEnded"] * 3
    assert busy_facts[:3] == ["RunParked"] * 3  # all of them rest at once


async def test_exclusive_counts_runs_that_are_to_be_tried_again(server: Server, store: Store) -> None:
    functions, crowd = Functions(), Crowd()

    @functions.function(
        "test/work", on=[event(Job)], retries=1, exclusive=1, backoff=Backoff(base_ms=100, cap_ms=100, jitter=0)
    )
    async def work(e: Event[Job], step: Step) -> None:
        crowd.order.append(e.data.name)
        if step.attempt == 0:
            raise OSError("not yet")

    for n in range(3):
        await Publisher(store).send(Job(name=str(n)))
    async with two_workers(server, functions) as seen:
        await seen.wait(RunEnded, 3)
    assert crowd.order[0::2] == crowd.order[1::2]


async def test_waiting_runs_go_on_in_the_order_they_came(server: Server, store: Store) -> None:
    functions, crowd, go = Functions(), Crowd(), anyio.Event()

    @functions.function("test/work", on=[event(Job)], retries=1, concurrency=1)
    async def work(e: Event[Job], step: Step) -> None:
        async with crowd.enter("", e.data.name):
            await go.wait()

    async with two_workers(server, functions) as seen:
        await Publisher(store).send(Job(name="0"))
        await seen.wait(RunStarted)
        for n in range(1, 6):
            await Publisher(store).send(Job(name=str(n)))
            await seen.wait(RunParked, n)
        go.set()
        await seen.wait(RunEnded, 6)
    assert crowd.order == ["0", "1", "2", "3", "4", "5"]
    assert crowd.most == {"": 1}
    assert all(f.begins == 0 for f in seen.all(RunStarted))


@pytest.mark.parametrize("limit", ["concurrency", "exclusive"])
async def test_a_lost_hand_over_heals_by_the_fallback(
    store: Store, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    functions, go = Functions(), anyio.Event()
    limited: dict[str, Any] = {limit: 1}

    @functions.function("test/work", on=[event(Job)], retries=1, **limited)
    async def work(e: Event[Job], step: Step) -> None:
        if e.data.name == "first":
            await go.wait()

    async def lose(outbox: Outbox, item: OutboxItem) -> None:
        """The wake-up is lost on its way; its item counts as delivered."""

    monkeypatch.setattr(Outbox, "_wake", lose)
    async with working(store, functions, lease_ms=1_000, fallback_ms=700) as seen:
        await Publisher(store).send(Job(name="first"))
        await seen.wait(RunStarted)
        await Publisher(store).send(Job(name="second"))
        await seen.wait(RunParked)
        go.set()
        ended = await seen.wait(RunEnded, 2)
    assert [f.status for f in ended] == ["completed"] * 2


async def test_a_tick_that_finds_an_open_run_is_skipped_and_recorded(store: Store) -> None:
    functions, go, ran = Functions(), anyio.Event(), []

    @functions.function("test/tick", on=[cron("* * * * * *"), event(Job)], retries=1, exclusive=1)
    async def tick(e: Event[EventModel], step: Step) -> None:
        ran.append(e.name)
        await go.wait()

    await Publisher(store).send(Job(name="long"))
    async with working(store, functions, **FAST) as seen:
        skipped = await seen.wait(RunEnded, where=lambda f: f.status == "skipped")
        record = await store.call("HGETALL", store.keys.cron_slot("test/tick").run(skipped[0].run))
        go.set()
        await seen.wait(RunEnded, where=lambda f: f.status == "completed")
        await seen.wait(RunEnded, where=lambda f: f.status == "completed" and f.event == "cron/test/tick")
    fields = dict(zip(record[::2], record[1::2], strict=True))
    assert (fields[b"state"], fields[b"status"]) == (b"ended", b"skipped")
    assert b"still open" in fields[b"result"]
    assert ran[:2] == ["test/job", "cron/test/tick"]


async def test_a_tick_may_queue_instead(store: Store) -> None:
    functions, go, ran = Functions(), anyio.Event(), []

    @functions.function("test/tick", on=[cron("* * * * * *", overlap="queue"), event(Job)], retries=1, exclusive=1)
    async def tick(e: Event[EventModel], step: Step) -> None:
        ran.append(e.name)
        if e.name == "test/job":
            await go.wait()

    await Publisher(store).send(Job(name="long"))
    async with working(store, functions, **FAST) as seen:
        await seen.wait(TickEnqueued)
        await seen.wait(RunParked)
        go.set()
        await seen.wait(RunEnded, 2)
    assert "cron/test/tick" in ran
    assert not [f for f in seen.all(RunEnded) if f.status == "skipped"]


async def test_a_permit_whose_run_vanished_is_freed(store: Store) -> None:
    functions = Functions()

    @functions.function("test/work", on=[event(Job)], retries=1, exclusive=1)
    async def work(e: Event[Job], step: Step) -> None:
        return None

    slot = store.keys.function_slot("test/work")
    await store.call("ZADD", slot.permits(""), "+inf", "test/job|test/work:vanished")
    await Publisher(store).send(Job(name="next"))
    async with working(store, functions, **FAST) as seen:
        await seen.wait(RunEnded)
    assert await store.call("EXISTS", slot.permits("")) == 0


async def test_a_dead_holders_concurrency_permit_expires(store: Store) -> None:
    functions = Functions()

    @functions.function("test/work", on=[event(Job)], retries=1, concurrency=1)
    async def work(e: Event[Job], step: Step) -> None:
        return None

    slot = store.keys.function_slot("test/work")
    soon = await store.time_ms() + 500
    await store.call("ZADD", slot.permits(""), soon, "test/job|test/work:dead")
    await Publisher(store).send(Job(name="next"))
    async with working(store, functions, lease_ms=1_000, fallback_ms=200) as seen:
        started = await seen.wait(RunStarted)
        await seen.wait(RunEnded)
    assert started
    assert await store.time_ms() >= soon
    assert await store.call("EXISTS", slot.permits("")) == 0


async def test_a_permit_given_back_for_a_run_that_is_gone_goes_to_the_next(store: Store) -> None:
    functions, go = Functions(), anyio.Event()

    @functions.function("test/work", on=[event(Job)], retries=1, exclusive=1)
    async def work(e: Event[Job], step: Step) -> None:
        if e.data.name == "first":
            await go.wait()

    slot = store.keys.function_slot("test/work")
    async with working(store, functions, **FAST) as seen:
        await Publisher(store).send(Job(name="first"))
        await seen.wait(RunStarted)
        await store.call("ZADD", slot.waiters(""), 1, "test/job|test/work:vanished")
        await Publisher(store).send(Job(name="second"))
        await seen.wait(RunParked)
        go.set()
        await seen.wait(RunEnded, 2)
    for key in (slot.permits(""), slot.waiters("")):
        assert await store.call("EXISTS", key) == 0


async def test_a_run_that_fails_gives_its_permit_back(store: Store) -> None:
    functions = Functions()

    @functions.function("test/work", on=[event(Job)], retries=1, exclusive=1, backoff=Backoff(base_ms=10, cap_ms=10))
    async def work(e: Event[Job], step: Step) -> None:
        raise OSError("never")

    async with working(store, functions, **FAST) as seen:
        for name in ("a", "b"):
            await Publisher(store).send(Job(name=name))
        await seen.wait(RunEnded, 2)
    assert await store.call("EXISTS", store.keys.function_slot("test/work").permits("")) == 0


async def test_a_permit_that_comes_between_refusal_and_rest_is_not_slept_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder gives it back when the refused run is lined up, and not parked yet."""
    functions, go, parking, woken = Functions(), anyio.Event(), anyio.Event(), anyio.Event()

    @functions.function("test/work", on=[event(Job)], retries=1, exclusive=1)
    async def work(e: Event[Job], step: Step) -> None:
        if e.data.name == "first":
            await go.wait()

    real_park, real_wake = RunCalls.park, Outbox._wake

    async def park(calls: RunCalls, d: Any, **how: Any) -> Any:
        if how["state"] == "held":
            parking.set()
            await woken.wait()
        return await real_park(calls, d, **how)

    async def wake(outbox: Outbox, item: OutboxItem) -> None:
        await real_wake(outbox, item)
        woken.set()

    monkeypatch.setattr(RunCalls, "park", park)
    monkeypatch.setattr(Outbox, "_wake", wake)
    async with working(store, functions, **FAST) as seen:
        await Publisher(store).send(Job(name="first"))
        await seen.wait(RunStarted)
        await Publisher(store).send(Job(name="second"))
        await parking.wait()
        go.set()
        ended = await seen.wait(RunEnded, 2)
    assert [f.status for f in ended] == ["completed"] * 2


HOUR = 3_600_000
MEMBER, OTHER = "test/job|test/work:one", "test/job|test/work:two"


async def test_a_release_that_comes_twice_does_not_take_what_the_run_holds_by_then(store: Store) -> None:
    calls, slot = SlotCalls(store, Limits()), store.keys.function_slot("test/work")
    old = release_item(MEMBER, "test/work", "", "first begin", HOUR)
    outbox = Outbox(calls, Publisher(store), Seen())
    assert (await calls.acquire("test/work", "", MEMBER, 1, HOUR, "first begin")).held
    await outbox.deliver(slot, old)
    assert await store.call("ZCARD", slot.permits("")) == 0
    assert (await calls.acquire("test/work", "", MEMBER, 1, HOUR, "second begin")).held
    await outbox.deliver(slot, old)
    assert await store.call("ZCARD", slot.permits("")) == 1
    await outbox.deliver(slot, release_item(MEMBER, "test/work", "", "second begin", HOUR))
    outbox.posted.close()
    assert await store.call("EXISTS", slot.permits(""), slot.claims("")) == 0


async def test_an_old_release_does_not_take_what_the_run_was_handed_and_has_not_begun(store: Store) -> None:
    calls, slot = SlotCalls(store, Limits()), store.keys.function_slot("test/work")
    await calls.acquire("test/work", "", MEMBER, 1, HOUR, "a")
    assert not (await calls.acquire("test/work", "", OTHER, 1, HOUR, "b")).held
    assert await calls.release("test/work", "", MEMBER, HOUR, claim="a", most=1)
    assert await calls.release("test/work", "", OTHER, HOUR, claim="an earlier begin of its own", most=1) is None
    assert await store.call("ZRANGE", slot.permits(""), 0, -1) == [OTHER.encode()]
    await store.call("DEL", slot.permits(""), slot.claims(""), slot.outbox, slot.outbox_items)


async def test_an_expired_permit_leaves_no_claim(store: Store) -> None:
    calls, slot = SlotCalls(store, Limits()), store.keys.function_slot("test/work")
    await calls.acquire("test/work", "", MEMBER, 1, 20, "a")
    await later(store, 30)
    assert (await calls.acquire("test/work", "", OTHER, 1, HOUR, "b", at_ms=await store.time_ms())).held
    assert await store.call("HKEYS", slot.claims("")) == [OTHER.encode()]


@pytest.mark.parametrize("reckoned", ["not at all", "a clock that jumped", "rightly"])
async def test_an_expired_permit_is_taken_only_by_who_knows_the_time(store: Store, reckoned: str) -> None:
    """Else a jump of the server's clock, or an outage, would let more run than may: owners renew first, as leases."""
    calls, slot = SlotCalls(store, Limits()), store.keys.function_slot("test/work")
    await calls.acquire("test/work", "", MEMBER, 1, 20, "a")
    await later(store, 30)
    at = {"not at all": None, "a clock that jumped": await store.time_ms() - 5_000, "rightly": await store.time_ms()}
    permit = await calls.acquire("test/work", "", OTHER, 1, HOUR, "b", at_ms=at[reckoned])
    assert permit.held == (reckoned == "rightly")
    assert await store.call("ZRANGE", slot.permits(""), 0, -1) == [(OTHER if permit.held else MEMBER).encode()]
    await store.call("DEL", slot.permits(""), slot.claims(""), slot.waiters(""))


@pytest.mark.parametrize(("leases_since", "free"), [(2, False), (4, True)])
async def test_after_a_jump_a_permit_outlasts_the_lease_of_its_holder(
    store: Store, leases_since: int, free: bool
) -> None:
    """Whoever holds it may still write until it is taken over: that comes first, after one lease (simulated: 5439)."""
    calls, slot = SlotCalls(store, Limits()), store.keys.function_slot("test/work")

    class Steady(ServerClock):
        def steady_for_ms(self) -> float:
            return leases_since * float(HOUR)

    clock = Steady(store, 5_000.0)
    await clock.sync()
    await calls.acquire("test/work", "", MEMBER, 1, 20, "a")
    await later(store, 30)
    permits = Permits(calls, RunCalls(store, Limits()), HOUR, clock)
    wanted = Claimed("test/work", "", "b", HOUR, HeldPermit(slot.permits(""), slot.claims(""), OTHER, "b", 1))
    assert await permits.claim(wanted, line_up=False) is free
    await store.call("DEL", slot.permits(""), slot.claims(""), slot.waiters(""))


@pytest.mark.parametrize("by_then", ["given back", "another begin's"])
async def test_renewal_keeps_a_permit_and_never_takes_one(store: Store, by_then: str) -> None:
    calls, slot = SlotCalls(store, Limits()), store.keys.function_slot("test/work")
    keep, keys = load_script("joelclaw_bus", "keep_permit"), [slot.permits(""), slot.claims("")]
    await calls.acquire("test/work", "", MEMBER, 1, HOUR, "mine")
    assert await store.run(keep, keys, [MEMBER, "mine", 2 * HOUR]) == 1
    assert int(await store.call("ZSCORE", keys[0], MEMBER)) > await store.time_ms() + HOUR
    await calls.release("test/work", "", MEMBER, HOUR, claim="mine")
    if by_then == "another begin's":
        await calls.acquire("test/work", "", MEMBER, 1, HOUR, "next")
    before = await store.call("ZSCORE", keys[0], MEMBER)
    assert await store.run(keep, keys, [MEMBER, "mine", 2 * HOUR]) == 0
    assert await store.call("ZSCORE", keys[0], MEMBER) == before


async def test_a_lowered_limit_holds_as_soon_as_runs_end(store: Store) -> None:
    calls, slot = SlotCalls(store, Limits()), store.keys.function_slot("test/work")
    for n in range(4):
        await calls.acquire("test/work", "", f"test/job|test/work:{n}", 3, HOUR, "c")
    handed = [
        await calls.release("test/work", "", f"test/job|test/work:{n}", HOUR, claim="c", most=1) for n in range(3)
    ]
    assert [bool(item) for item in handed] == [False, False, True]
    assert await store.call("ZCARD", slot.permits("")) == 1
    await store.call("DEL", slot.outbox, slot.outbox_items)


async def test_any_of_many_lost_permits_is_freed(one_store: Store) -> None:
    functions = Functions()

    @functions.function("test/work", on=[event(Job)], retries=1, exclusive=30)
    async def work(e: Event[Job], step: Step) -> None:
        return None

    slot = one_store.keys.function_slot("test/work")
    record = one_store.keys.slot("test/job")
    for n in range(30):
        await one_store.call("ZADD", slot.permits(""), "+inf", f"test/job|test/work:{n:02}")
        if n < 29:
            await one_store.call("HSET", record.run(f"test/work:{n:02}"), "state", "held")
    await Publisher(one_store).send(Job(name="next"))
    async with working(one_store, functions, lease_ms=1_000, fallback_ms=50) as seen:
        [ended] = await seen.wait(RunEnded)
    assert ended.status == "completed"
    assert await one_store.call("ZCARD", slot.permits("")) < 30
    for n in range(30):
        await one_store.call("DEL", record.run(f"test/work:{n:02}"))
    await one_store.call("DEL", slot.permits(""))


def test_who_waits_far_behind_asks_rarely() -> None:
    def patience(rank: int) -> int:
        return Claimed("f", "", "c", 0, HeldPermit("", "", "", "", 1), rank).patience_ms(10_000)

    assert [patience(rank) for rank in (0, 3, 4, 8, 400, 20_000)] == [10_000, 10_000, 20_000, 30_000, 300_000, 300_000]


async def test_a_backlog_before_one_permit_begins_each_run_a_few_times(
    one_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions, begins = Functions(), 0
    real = RunCalls.begin

    async def begin(calls: RunCalls, *args: Any, **more: Any) -> Any:
        nonlocal begins
        begins += 1
        return await real(calls, *args, **more)

    @functions.function("test/work", on=[event(Job)], retries=1, concurrency=1)
    async def work(e: Event[Job], step: Step) -> None:
        await anyio.sleep(0.005)

    monkeypatch.setattr(RunCalls, "begin", begin)
    for n in range(120):
        await Publisher(one_store).send(Job(name=str(n)))
    async with working(one_store, functions, lease_ms=5_000, fallback_ms=500) as seen:
        await seen.wait(RunEnded, 120)
    assert begins < 120 * 6
