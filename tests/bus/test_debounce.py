"""Of events that come close together only the last one's run starts; those before it end, and say by which."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

from joelclaw_bus import (
    Debounce,
    Event,
    Functions,
    Limits,
    RateLimit,
    RegistrationInvalid,
    Reject,
    RetryAfter,
    Step,
    Tick,
    cron,
    event,
)
from joelclaw_bus.inspect.explain import explain, read_situation
from joelclaw_bus.inspect.find import Found
from joelclaw_bus.observer import Debounced, RunEnded
from joelclaw_bus.order_calls import OrderCalls
from joelclaw_bus.slot_calls import Quiet, StartCalls
from joelclaw_bus.starts import came_of
from joelclaw_bus.testing import TestBus
from joelclaw_contracts import EventModel


class Edited(EventModel):
    event_name: ClassVar[str] = "doc/edited"

    doc: str = ""


class Indexer:
    """Notes whose run started when, in seconds since the first."""

    def __init__(self, rule: Debounce, **options: Any) -> None:
        self.functions, self.started = Functions(), list[tuple[str, int]]()
        self.bus = TestBus(self.functions)
        given = {"on": [event(Edited)], "retries": 3, "debounce": rule, **options}
        self.functions.function("doc/index", **given)(self.index)

    async def index(self, e: Event[Any], step: Step) -> None:
        self.note(e)

    def note(self, e: Event[Any]) -> None:
        self.started.append((e.id, self.at()))

    def at(self) -> int:
        return round(self.bus.clock.seconds() - self.first)

    async def edit(self, *ids: str, doc: str = "", every: float = 10) -> None:
        for name in ids:
            await self.bus.send(Edited(doc=doc), id=name)
            await self.bus.advance(seconds=every)

    async def begin(self) -> None:
        self.first = self.bus.clock.seconds()


@pytest.fixture
async def bus() -> AsyncIterator[TestBus]:
    async with TestBus(Functions()) as bus:
        yield bus


async def test_only_the_last_runs_when_it_has_been_quiet_and_the_others_say_by_which_they_were_debounced() -> None:
    indexer = Indexer(Debounce(30))
    async with indexer.bus as bus:
        await indexer.begin()
        await indexer.edit("a", "b", "c")
        await bus.advance(minutes=5)
        assert indexer.started == [("c", 50)]
        for name in ("a", "b"):
            run = await bus.run("doc/index", name)
            assert (run.status, run.result) == ("skipped", "debounced by doc/index:c")
        await indexer.edit("d")
        await bus.advance(minutes=5)
    assert [name for name, _ in indexer.started] == ["c", "d"], "what comes later has a window of its own"
    told = [f for f in bus.facts if isinstance(f, Debounced)]
    assert [f.run for f in told] == ["doc/index:a", "doc/index:b"]


async def test_each_key_is_quiet_for_itself() -> None:
    indexer = Indexer(Debounce(30, key=lambda e: e.data.doc))
    async with indexer.bus as bus:
        await indexer.begin()
        await indexer.edit("a1", doc="a", every=0)
        await indexer.edit("b1", "b2", doc="b")
        await bus.advance(minutes=5)
    assert indexer.started == [("a1", 30), ("b2", 40)]


async def test_what_never_stops_coming_runs_after_its_longest_wait() -> None:
    indexer = Indexer(Debounce(30, max_wait=60))
    async with indexer.bus as bus:
        await indexer.begin()
        await indexer.edit(*(f"e{n:02}" for n in range(13)))
        await bus.advance(minutes=5)
    assert indexer.started == [("e05", 60), ("e11", 120), ("e12", 150)]


async def test_a_debounced_tick_is_handled() -> None:
    indexer = Indexer(Debounce(90, max_wait=200), on=[cron("* * * * *")])
    async with indexer.bus as bus:
        await indexer.begin()
        await bus.advance(minutes=10)
        ends = [f for f in bus.facts if isinstance(f, RunEnded)]
        assert await bus.dead_letters(Tick) == []
    ran = [f for f in ends if f.status == "completed"]
    skipped = [f for f in ends if f.status == "skipped"]
    assert len(ran) == len(indexer.started) == 2
    assert all(f.error.startswith("debounced by doc/index:") for f in skipped)
    assert len(skipped) >= 4
    assert len({f.run for f in ends}) == len(ends)


async def test_a_run_that_has_started_is_debounced_by_none_however_often_it_rests_and_tries() -> None:
    class Slow(Indexer):
        async def index(self, e: Event[Any], step: Step) -> None:
            await step.run("note", self.note, e)
            await step.sleep("an hour", 3_600)
            if step.attempt < 2:
                raise RetryAfter(60, "not yet")

    indexer = Slow(Debounce(30))
    async with indexer.bus as bus:
        await indexer.begin()
        await indexer.edit("a", every=40)
        await indexer.edit("b")
        await bus.advance(hours=5)
        assert [(await bus.run("doc/index", name)).status for name in ("a", "b")] == ["completed", "completed"]
    assert indexer.started == [("a", 30), ("b", 70)]


class Shop(Indexer):
    """Charges, sleeps an hour, ships; told once, it fails for good then."""

    fails = False

    async def index(self, e: Event[Any], step: Step) -> None:
        await step.run("charge", self.note, e)
        await step.sleep("an hour", 3_600)
        if self.fails:
            raise Reject("no stock")
        self.shipped = [*getattr(self, "shipped", []), e.id]

    def deploy(self, **options: Any) -> None:
        """As a deploy does: the runs stay, their function is declared anew."""
        for name, value in options.items():
            object.__setattr__(self.functions["doc/index"], name, value)


async def test_a_run_that_began_before_a_debounce_and_a_rate_were_declared_goes_on() -> None:
    shop = Shop(Debounce(30), debounce=None)
    async with shop.bus as bus:
        await shop.begin()
        await shop.edit("a", every=3_000)
        shop.deploy(debounce=Debounce(30), rate_limit=RateLimit(1, 36_000))
        await shop.edit("b", every=0)
        await bus.advance(hours=3)
        assert (await bus.run("doc/index", "a")).status == "completed"
    assert shop.started == [("a", 0), ("b", 3_030)], "the rate counts starts, and that of a was none of its own"
    assert shop.shipped == ["a", "b"]


async def test_a_run_that_was_let_go_and_waits_for_a_permit_is_debounced_no_more() -> None:
    shop = Shop(Debounce(30), exclusive=1)
    async with shop.bus as bus:
        await shop.begin()
        await shop.edit("a", every=40)
        await shop.edit("b", every=3_580)
        await shop.edit("c", every=0)
        await bus.advance(hours=3)
    assert shop.started == [("a", 30), ("b", 3_630), ("c", 7_230)]


async def test_a_debounced_run_that_was_in_the_line_for_a_permit_before_leaves_it() -> None:
    shop = Shop(Debounce(30), debounce=None, exclusive=1)
    async with shop.bus as bus:
        await shop.begin()
        await shop.edit("a", "b", every=0)
        await bus.settle()
        shop.deploy(debounce=Debounce(30))
        await shop.edit("c", every=1_800)
        assert (await bus.run("doc/index", "b")).status == "skipped"
        line = bus.store.keys.function_slot("doc/index").waiters("")
        assert await bus.store.call("ZRANGE", line, 0, -1) == [b"doc/edited|doc/index:c"]
        await bus.advance(hours=3)
    assert shop.started == [("a", 0), ("c", 3_600)]


async def test_a_run_that_is_redriven_from_its_start_is_debounced_by_none() -> None:
    shop = Shop(Debounce(30))
    shop.fails = True
    async with shop.bus as bus:
        await shop.begin()
        await shop.edit("a", every=40)
        await shop.edit("b", every=40)
        await bus.advance(hours=2)
        shop.fails, slot = False, bus.store.keys.slot(Edited.event_name)
        (letter,) = [found.id for found in await bus.dead_letters() if found.run == "doc/index:a"]
        assert (await OrderCalls(bus.store, Limits()).redrive(slot, "doc/index:a", letter, from_start=True)).done
        await bus.advance(hours=2)
        assert (await bus.run("doc/index", "a")).status == "completed"
    assert shop.shipped == ["a"]


async def test_who_wakes_late_still_learns_that_a_later_event_came(bus: TestBus) -> None:
    calls = StartCalls(bus.store, Limits())

    async def ask(member: str, came: float) -> Quiet:
        return await calls.debounce("doc/index", "", member, 30_000, 0, came)

    assert await ask("b", 2) == Quiet(wait_ms=30_000)
    assert await ask("a", 1) == Quiet(by="b"), "it came before, and is asked for after it"
    await bus.advance(seconds=30)
    assert await ask("b", 2) == Quiet()
    assert await ask("b", 2) == Quiet(), "to ask again changes nothing"
    await bus.advance(hours=20)
    assert await ask("a", 1) == Quiet(by="b")
    slot = bus.store.keys.function_slot("doc/index")
    await bus.store.call("DEL", slot.window(""))
    assert await ask("a", 1) == Quiet(wait_ms=30_000), "what nobody remembers is no reason to lose an event"


async def test_of_two_events_of_one_millisecond_the_later_entry_is_the_last(bus: TestBus) -> None:
    calls, ms = StartCalls(bus.store, Limits()), 1_800_000_000_000
    later, earlier = came_of(f"{ms}-1500"), came_of(f"{ms}-1499")
    assert await calls.debounce("doc/index", "", "a", 30_000, 0, later) == Quiet(wait_ms=30_000)
    assert await calls.debounce("doc/index", "", "b", 30_000, 0, earlier) == Quiet(by="a")


async def test_a_run_that_waits_for_quiet_says_so() -> None:
    indexer = Indexer(Debounce(30))
    async with indexer.bus as bus:
        await indexer.begin()
        await indexer.edit("a", every=0)
        slot = bus.store.keys.slot(Edited.event_name)
        said = explain(await read_situation(bus.store, Found(slot, "doc/index:a")))
    assert (said.cause, "unless a later event of its key comes" in said.why) == ("debounce", True)


@pytest.mark.parametrize(
    ("rule", "why"),
    [(Debounce(0), "a delay is 0.001 to"), (Debounce(30, max_wait=10), "max_wait=10; it is its delay to")],
)
def test_a_debounce_that_can_not_be_one_is_refused_at_registration(rule: Debounce, why: str) -> None:
    with pytest.raises(RegistrationInvalid, match=why):
        Functions().function("doc/index", on=[event(Edited)], retries=1, debounce=rule)
