"""The kit for users: the real bus under a clock that the test moves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest

from joelclaw_bus import Backoff, Event, Functions, Reject, Step, Tick, cron, event, load_script
from joelclaw_bus.local_port import ask
from joelclaw_bus.observer import RunParked, TakenOver, TickEnqueued, WriteRefused
from joelclaw_bus.pauses import pause, resume
from joelclaw_bus.script import scripts_of
from joelclaw_bus.testing import NeverSettles, NoSuchRun, TestBus
from joelclaw_bus.testing.store import moved
from joelclaw_contracts import EventModel


class OrderPlaced(EventModel):
    event_name: ClassVar[str] = "shop/order.placed"

    order: str


class PaymentTaken(EventModel):
    event_name: ClassVar[str] = "shop/payment.taken"

    order: str


class Shop:
    """A function that takes a payment, and thanks a month later."""

    def __init__(self) -> None:
        self.functions, self.did = Functions(), list[str]()
        self.functions.function("shop/charge", on=[event(OrderPlaced)], retries=2)(self.charge)

    async def charge(self, e: Event[OrderPlaced], step: Step) -> str:
        await step.run("charge", self.do, "charge")
        await step.send_event("taken", PaymentTaken(order=e.data.order))
        await step.sleep("a month", 30 * 86_400)
        await step.run("thank", self.do, "thank")
        return "thanked"

    def do(self, what: str) -> str:
        self.did.append(what)
        return f"{what}d"


async def test_a_month_passes_when_the_test_says_so() -> None:
    shop = Shop()
    async with TestBus(shop.functions) as bus:
        await bus.send(OrderPlaced(order="one"), id="o-1")
        await bus.settle()
        run = await bus.run("shop/charge", "o-1")
        assert (run.status, run.due) == ("due", bus.now + timedelta(days=30))
        assert await bus.sent(PaymentTaken) == [PaymentTaken(order="one")]
        await bus.advance(days=29, hours=23)
        assert shop.did == ["charge"]
        await bus.advance(hours=1)
        run = await bus.run("shop/charge", "o-1")
        assert (run.status, run.result) == ("completed", "thanked")
        assert run.steps["charge"] == "charged"
    assert shop.did == ["charge", "thank"]


async def test_a_worker_that_dies_after_a_step_has_its_run_taken_over_without_repeating_it() -> None:
    shop = Shop()
    async with TestBus(shop.functions) as bus:
        bus.crash_after_step("charge")
        await bus.send(OrderPlaced(order="one"), id="o-1")
        await bus.settle()
        assert bus.deaths == 1
        assert await bus.sent(PaymentTaken) == []
        await bus.advance(bus.lease - timedelta(milliseconds=500))
        assert await bus.sent(PaymentTaken) == [], "its lease has not run out yet"
        await bus.advance(seconds=1)
        assert await bus.sent(PaymentTaken) == [PaymentTaken(order="one")]
        await bus.advance(days=31)
        assert (await bus.run("shop/charge", "o-1")).status == "completed"
        assert [f.entries for f in bus.facts if isinstance(f, TakenOver)] == [1]
        assert not [f for f in bus.facts if isinstance(f, WriteRefused)]
    assert shop.did == ["charge", "thank"]


async def test_a_worker_that_dies_before_the_record_repeats_the_side_effect() -> None:
    shop = Shop()
    async with TestBus(shop.functions) as bus:
        bus.crash_before_record("charge", function="shop/charge")
        await bus.send(OrderPlaced(order="one"), id="o-1")
        await bus.advance(bus.lease)
        assert bus.deaths == 1
    assert shop.did == ["charge", "charge"]


async def test_a_death_takes_all_that_the_worker_was_doing() -> None:
    shop = Shop()
    async with TestBus(shop.functions) as bus:
        bus.crash_after_step("charge")
        for n in range(5):
            await bus.send(OrderPlaced(order=str(n)), id=f"o-{n}")
        await bus.advance(days=32)
        assert bus.deaths == 1
        assert {(await bus.run("shop/charge", f"o-{n}")).status for n in range(5)} == {"completed"}
        assert sorted(e.order for e in await bus.sent(PaymentTaken)) == list("01234")


async def test_attempts_come_after_their_backoff_and_the_last_one_leaves_a_dead_letter() -> None:
    functions, at = Functions(), []

    @functions.function("shop/pay", on=[event(OrderPlaced)], retries=2, backoff=Backoff(1_000, 60_000, jitter=0))
    async def pay(e: Event[OrderPlaced], step: Step) -> None:
        at.append(step.now_ms)
        raise OSError("no bank")

    async with TestBus(functions) as bus:
        await bus.send(OrderPlaced(order="one"), id="o-1")
        await bus.settle()
        assert len(at) == 1
        assert (await bus.run("shop/pay", "o-1")).errors == {1: "OSError: no bank"}
        await bus.advance(minutes=1)
        run = await bus.run("shop/pay", "o-1")
        assert (run.status, run.error) == ("failed", "OSError: no bank")
        letters = await bus.dead_letters(OrderPlaced)
        assert [letter.run for letter in letters] == ["shop/pay:o-1"]
        assert await bus.dead_letters(PaymentTaken) == []
    assert [b - a for a, b in pairwise(at)] == [1_000, 2_000]


async def test_schedules_tick_at_their_instants_on_the_way() -> None:
    functions, at = Functions(), []

    @functions.function("shop/report", on=[cron("TZ=Europe/Berlin 30 2 * * *", misfire="all")], retries=1)
    async def report(e: Event[Tick], step: Step) -> None:
        at.append((datetime.fromtimestamp(step.now_ms / 1000, UTC), e.data.late_ms))

    async with TestBus(functions, start=datetime(2026, 3, 28, tzinfo=UTC)) as bus:
        await bus.advance(days=3)
    # On the 29th the clocks jump from 2:00 to 3:00 in Berlin: it runs at the first instant after the gap.
    assert at == [(datetime(2026, 3, day, hour, minute, tzinfo=UTC), 0) for day, hour, minute in
                  [(28, 1, 30), (29, 1, 0), (30, 0, 30)]]  # fmt: skip


async def test_schedules_can_be_left_out() -> None:
    functions = Functions()

    @functions.function("shop/report", on=[cron("* * * * *")], retries=1)
    async def report(e: Event[Tick], step: Step) -> None:
        return None

    async with TestBus(functions, cron=False) as bus:
        await bus.advance(days=1)
        assert not [f for f in bus.facts if isinstance(f, TickEnqueued)]


@pytest.mark.parametrize("limit", ["exclusive", "concurrency"])
async def test_a_limit_holds_and_its_permits_are_handed_on(limit: str) -> None:
    functions, inside = Functions(), list[str]()

    @functions.function("shop/pay", on=[event(OrderPlaced)], retries=1, **{limit: 1})  # type: ignore[arg-type]  # two literals
    async def pay(e: Event[OrderPlaced], step: Step) -> None:
        inside.append(e.data.order)
        await step.sleep("rest", 3_600)
        await step.run("leave", inside.append, e.data.order)

    async with TestBus(functions) as bus:
        for n in range(3):
            await bus.send(OrderPlaced(order=str(n)), id=str(n))
        await bus.advance(hours=4)
        held = [f for f in bus.facts if isinstance(f, RunParked) and f.state == "held"]
        assert {(await bus.run("shop/pay", str(n))).status for n in range(3)} == {"completed"}
        assert bool(held) == (limit == "exclusive") or len(held) > 0
    if limit == "exclusive":
        firsts = [inside.index(str(n)) for n in range(3)]
        assert sorted(firsts) == [0, 3, 6], "one after the other"


async def test_a_delayed_event_waits_and_is_seen_waiting() -> None:
    shop = Shop()
    async with TestBus(shop.functions) as bus:
        await bus.send(OrderPlaced(order="one"), id="o-1", delay=timedelta(days=1))
        await bus.settle()
        assert [(d.kind, d.id, d.data) for d in await bus.due()] == [("event", "o-1", {"order": "one"})]
        assert await bus.sent(OrderPlaced) == []
        await bus.advance(days=1)
        assert await bus.sent(OrderPlaced) == [OrderPlaced(order="one")]
        assert shop.did == ["charge"]


async def test_a_duplicate_is_dropped_within_its_window_and_runs_after_it() -> None:
    shop = Shop()
    async with TestBus(shop.functions) as bus:
        for _ in range(2):
            await bus.send(OrderPlaced(order="one"), id="o-1")
        await bus.settle()
        assert shop.did == ["charge"]
        assert len(await bus.sent(OrderPlaced)) == 1
        await bus.advance(days=2)
        await bus.send(OrderPlaced(order="one"), id="o-1")
        assert len(await bus.sent(OrderPlaced)) == 2


async def test_times_are_the_bus_s_own_everywhere() -> None:
    functions, got = Functions(), []
    start = datetime(2031, 5, 1, 12, tzinfo=UTC)

    @functions.function("shop/charge", on=[event(OrderPlaced)], retries=1)
    async def charge(e: Event[OrderPlaced], step: Step) -> None:
        got.append((step.now_ms, e.ts_ms, int(e.entry.partition("-")[0])))
        await step.run("one", lambda: 1)

    async with TestBus(functions, start=start) as bus:
        await bus.advance(minutes=5)
        entry = await bus.send(OrderPlaced(order="one"))
        await bus.settle()
        assert bus.now == start + timedelta(minutes=5)
        assert (await bus.run("shop/charge", entry)).status == "completed"
    assert got == [(round((start + timedelta(minutes=5)).timestamp() * 1000),) * 3]


async def test_what_was_not_run_is_told_with_what_was() -> None:
    shop = Shop()
    async with TestBus(shop.functions) as bus:
        await bus.send(OrderPlaced(order="one"), id="o-1")
        with pytest.raises(NoSuchRun, match="did the test settle"):
            await bus.run("shop/charge", "o-1")
        await bus.settle()
        with pytest.raises(NoSuchRun, match="shop/charge:o-1"):
            await bus.run("shop/charge", "o-2")


async def test_a_function_that_feeds_itself_is_told_instead_of_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joelclaw_bus.testing.bus.MOST_ROUNDS", 20)
    functions = Functions()

    @functions.function("shop/loop", on=[event(OrderPlaced)], retries=1)
    async def loop(e: Event[OrderPlaced], step: Step) -> None:
        await step.send_event("again", OrderPlaced(order="again"))

    async with TestBus(functions) as bus:
        await bus.send(OrderPlaced(order="one"))
        with pytest.raises(NeverSettles, match="a function may send to itself"):
            await bus.settle()


async def test_two_buses_at_once_do_not_meet_and_each_begins_empty() -> None:
    shop = Shop()
    async with TestBus(shop.functions) as one, TestBus(shop.functions) as two:
        await one.send(OrderPlaced(order="one"), id="o-1")
        await one.advance(days=40)
        await two.settle()
        assert await two.runs() == []
        assert two.now == one.now - timedelta(days=40)
    async with TestBus(shop.functions) as three:
        assert await three.runs() == []
        assert await three.sent(OrderPlaced) == []


async def test_a_rejected_run_is_seen_as_failed_and_time_cannot_go_back() -> None:
    functions = Functions()

    @functions.function("shop/charge", on=[event(OrderPlaced)], retries=5)
    async def charge(e: Event[OrderPlaced], step: Step) -> None:
        raise Reject("no such order")

    async with TestBus(functions) as bus:
        await bus.send(OrderPlaced(order="one"), id="o-1")
        await bus.settle()
        assert (await bus.run("shop/charge", "o-1")).error == "no such order"
        with pytest.raises(ValueError, match="time can't go back"):
            await bus.advance(days=-1)


async def test_every_script_runs_behind_the_piece_that_moves_time() -> None:
    async with TestBus(Functions()) as bus:
        for name in scripts_of("joelclaw_bus"):
            script = moved(load_script("joelclaw_bus", name))
            assert await bus.store.call("SCRIPT", "LOAD", script.text) == script.sha.encode()


KILLED = """
import anyio, os, signal
from joelclaw_bus import Functions
from joelclaw_bus.testing import TestBus
async def main():
    async with TestBus(Functions()) as bus:
        print((await bus.store.call("CONFIG", "GET", "dir"))[1].decode(), flush=True)
        if os.environ.get("DIES"):
            os.kill(os.getpid(), signal.SIGKILL)
anyio.run(main)
"""


def test_the_server_of_a_killed_test_run_is_ended_by_the_next(tmp_path: Path) -> None:
    def run(**more: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "TMPDIR": str(tmp_path), **more}
        return subprocess.run([sys.executable, "-c", KILLED], env=env, capture_output=True, text=True, timeout=60)

    killed = run(DIES="1")
    assert killed.returncode == -signal.SIGKILL
    port = int((Path(killed.stdout.strip()) / "port").read_text())
    assert ask(port, "PING") == "PONG"
    assert run().returncode == 0
    assert ask(port, "PING") != "PONG"
    assert list(tmp_path.iterdir()) == [], "nor does a run that ends leave anything"


def paying(got: list[object]) -> Functions:
    """Waits a week for a payment."""
    functions = Functions()

    @functions.function("shop/dun", on=[event(OrderPlaced)], retries=1, awaits=[PaymentTaken])
    async def dun(e: Event[OrderPlaced], step: Step) -> str:
        week = 7 * 86_400
        paid = await step.wait_for_event("paid", PaymentTaken, match={"order": e.data.order}, timeout=week)
        got.append(step.now_ms)
        return "paid" if paid else "dunned"

    return functions


async def test_a_run_that_waits_goes_on_when_its_event_comes() -> None:
    got: list[object] = []
    async with TestBus(paying(got)) as bus:
        await bus.send(OrderPlaced(order="one"), id="o-1")
        await bus.settle()
        run = await bus.run("shop/dun", "o-1")
        assert (run.status, run.due) == ("waiting", bus.now + timedelta(days=7))
        await bus.advance(days=6)
        await bus.send(PaymentTaken(order="another"))
        await bus.settle()
        assert (await bus.run("shop/dun", "o-1")).status == "waiting"
        await bus.send(PaymentTaken(order="one"))
        await bus.settle()
        assert (await bus.run("shop/dun", "o-1")).result == "paid"
        assert got == [bus.clock.at_ms]


async def test_a_run_that_waits_in_vain_goes_on_when_its_time_is_over() -> None:
    got: list[object] = []
    async with TestBus(paying(got)) as bus:
        await bus.send(OrderPlaced(order="one"), id="o-1")
        await bus.advance(days=8)
        assert (await bus.run("shop/dun", "o-1")).result == "dunned"
        assert got == [bus.clock.at_ms - 86_400_000], "a week after it began, not later"


async def test_a_worker_that_dies_with_a_wait_in_its_hands_loses_none() -> None:
    """What it had to register lies in the outbox; the next worker registers it, and looks back."""
    functions = paying([])

    @functions.function("shop/crash", on=[event(OrderPlaced)], retries=1)
    async def crash(e: Event[OrderPlaced], step: Step) -> None:
        await step.run("die", lambda: 1)

    async with TestBus(functions) as bus:
        bus.crash_after_step("die")
        await bus.send(OrderPlaced(order="one"), id="o-1")
        await bus.send(PaymentTaken(order="one"))
        await bus.advance(minutes=1)
        assert bus.deaths == 1
        assert (await bus.run("shop/dun", "o-1")).result == "paid"


async def test_a_paused_function_rests_until_it_is_resumed() -> None:
    shop = Shop()
    async with TestBus(shop.functions) as bus:
        await pause(bus.store, "shop/charge", owner="joel", reason="the bank is down")
        await bus.send(OrderPlaced(order="one"), id="o-1")
        await bus.advance(hours=1)
        assert shop.did == []
        assert await resume(bus.store, "shop/charge")
        await bus.settle()
        assert shop.did == ["charge"]
