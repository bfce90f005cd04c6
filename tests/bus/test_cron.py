"""Cron: expressions against a slow oracle, and schedulers that agree on every instant."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joelclaw_bus import Functions, Limits, SlotCalls, Step, Store, Tick, cron
from joelclaw_bus import scheduler as scheduler_module
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.cron import ExpressionInvalid, parse
from joelclaw_bus.event import Event
from joelclaw_bus.observer import RunEnded, TickEnqueued
from joelclaw_bus.scheduler import Scheduler
from joelclaw_bus.slot_calls import Early
from joelclaw_bus.trouble import Spells, Trouble
from tests.support.cron_oracle import FIELDS, instants, numbers, offset, oracle
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.waiting import later
from tests.support.workers import working

BERLIN, ANGELES, LORD_HOWE = "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe"


def day(text: str, zone: str, *ymd: int) -> list[str]:
    """The instants of one local day, as wall clock and offset."""
    start = datetime(*ymd, tzinfo=ZoneInfo(zone))  # type: ignore[arg-type, misc]  # three numbers
    end = datetime.combine(start.date() + timedelta(days=1), start.timetz())
    found = instants(f"TZ={zone} {text}", start, end)
    return [f"{at.astimezone(ZoneInfo(zone)):%H:%M%z}" for at in found]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Wrong number of fields"),
        ("* * * *", "Wrong number of fields"),
        ("61 * * * *", "Bad minute"),
        ("0 24 * * *", "Bad hour"),
        ("0 0 31 2 *", "Bad day-of-month"),
        ("* * * * 9L", "Bad day-of-week"),
        ("*/0 * * * *", "Bad minute"),
        ("@daily", "Wrong number of fields"),
        ("TZ=Mars/Olympus 0 3 * * *", "unknown time zone 'Mars/Olympus'"),
        ("TZ= 0 3 * * *", "unknown time zone ''"),
        ("TZ=Europe 0 3 * * *", "unknown time zone 'Europe'"),
        ("TZ=../../etc/passwd 0 3 * * *", "unknown time zone '../../etc/passwd'"),
        ("TZ=Europe/Berlin", "Wrong number of fields"),
    ],
)
def test_a_wrong_expression_is_refused_in_one_line_that_shows_a_right_one(text: str, says: str) -> None:
    with pytest.raises(ExpressionInvalid) as refused:
        cron(text)
    assert says in str(refused.value)
    assert repr(text) in str(refused.value)
    assert "write e.g. TZ=Europe/Berlin 0 3 * * *" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_expression_is_read_in_its_zone_and_plain_ones_in_utc() -> None:
    assert day("0 3 * * *", ANGELES, 2026, 7, 1) == ["03:00-0700"]
    assert day("0 3 * * *", ANGELES, 2026, 12, 1) == ["03:00-0800"]
    start = datetime(2026, 7, 1, tzinfo=UTC)
    assert instants("0 3 * * *", start, start + timedelta(days=1)) == [start.replace(hour=3)]


@pytest.mark.parametrize(
    ("zone", "ymd", "text", "runs"),
    [
        # The clock jumps from 2:00 to 3:00 (Lord Howe: to 2:30).
        (BERLIN, (2026, 3, 29), "30 2 * * *", ["03:00+0200"]),
        (BERLIN, (2026, 3, 29), "0,15,30 2 * * *", ["03:00+0200"]),
        (BERLIN, (2026, 3, 29), "*/20 2 * * *", ["03:00+0200"]),
        (BERLIN, (2026, 3, 29), "30 1-3 * * *", ["01:30+0100", "03:00+0200", "03:30+0200"]),
        (ANGELES, (2026, 3, 8), "30 2 * * *", ["03:00-0700"]),
        (ANGELES, (2026, 3, 8), "0 3 * * *", ["03:00-0700"]),
        (LORD_HOWE, (2026, 10, 4), "15 2 * * *", ["02:30+1100"]),
        (LORD_HOWE, (2026, 10, 4), "45 2 * * *", ["02:45+1100"]),
        (LORD_HOWE, (2026, 10, 4), "*/20 3 * * *", ["03:00+1100", "03:20+1100", "03:40+1100"]),
        # The clock goes back from 3:00 to 2:00 (Los Angeles: 2:00 to 1:00, Lord Howe: 2:00 to 1:30).
        (BERLIN, (2026, 10, 25), "30 2 * * *", ["02:30+0200"]),
        (BERLIN, (2026, 10, 25), "0,30 2 * * *", ["02:00+0200", "02:30+0200"]),
        (BERLIN, (2026, 10, 25), "*/30 2 * * *", ["02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100"]),
        (ANGELES, (2026, 11, 1), "30 1 * * *", ["01:30-0700"]),
        (ANGELES, (2026, 11, 1), "*/30 1 * * *", ["01:00-0700", "01:30-0700", "01:00-0800", "01:30-0800"]),
        (LORD_HOWE, (2026, 4, 5), "45 1 * * *", ["01:45+1100"]),
        (LORD_HOWE, (2026, 4, 5), "*/15 1 * * *", [
            *("01:00+1100", "01:15+1100", "01:30+1100", "01:45+1100"), *("01:30+1030", "01:45+1030"),
        ]),
    ],
)  # fmt: skip
def test_a_gap_runs_at_the_first_valid_instant_and_a_fold_as_stated(
    zone: str, ymd: tuple[int, int, int], text: str, runs: list[str]
) -> None:
    assert day(text, zone, *ymd) == runs


@pytest.mark.parametrize(("zone", "ymd", "hours"), [(BERLIN, (2026, 3, 29), 23), (BERLIN, (2026, 10, 25), 25)])
def test_every_hour_is_every_hour_that_passes(zone: str, ymd: tuple[int, int, int], hours: int) -> None:
    assert len(day("30 * * * *", zone, *ymd)) == hours
    assert len(day("*/10 * * * *", zone, *ymd)) == hours * 6


@settings(max_examples=60, deadline=None, derandomize=True)
@given(fields=FIELDS, zone=st.sampled_from([BERLIN, ANGELES, LORD_HOWE, "UTC", "America/Sao_Paulo"]))
def test_random_expressions_over_two_years_are_as_a_slow_oracle_says(fields: str, zone: str) -> None:
    info, first = ZoneInfo(zone), date(2026, 1, 1)
    days = [first + timedelta(days=n) for n in range(731)]
    if len(numbers(fields.split()[0], 0, 59)) * len(numbers(fields.split()[1], 0, 23)) > 12:
        # Many a day: those around which the clocks are set, and some others.
        set_on = [d for d in days if offset(d, info) != offset(d + timedelta(days=1), info)]
        days = sorted({d + timedelta(days=n) for d in [first, *set_on] for n in (-1, 0, 1)} & set(days))
    expected = oracle(fields, info, days)
    found = []
    for d in days:
        start = datetime(d.year, d.month, d.day, tzinfo=info)
        end = datetime.combine(d + timedelta(days=1), start.timetz())
        found += instants(f"TZ={zone} {fields}", start, end) if len(days) < 100 else []
    if len(days) > 100:
        start, end = (datetime.combine(d, datetime.min.time(), info) for d in (days[0], days[-1] + timedelta(days=1)))
        found = instants(f"TZ={zone} {fields}", start, end)
    assert found == expected


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    fields=FIELDS,
    zone=st.sampled_from([BERLIN, ANGELES, LORD_HOWE]),
    at=st.datetimes(*(datetime(2026, *d) for d in ((3, 1), (11, 10)))),  # noqa: DTZ001 - hypothesis wants them naive
)
def test_the_latest_instant_is_the_one_before_the_next(fields: str, zone: str, at: datetime) -> None:
    expression, now = parse(f"TZ={zone} {fields}"), round(at.replace(tzinfo=UTC).timestamp() * 1000)
    latest = expression.latest(now)
    assert latest <= now < next(expression.instants(latest))
    assert expression.latest(latest) == latest
    assert next(expression.instants(latest - 1)) == latest


def test_a_rare_day_is_found_in_both_directions() -> None:
    leap = parse("0 0 29 2 *")
    now = round(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)
    assert datetime.fromtimestamp(leap.latest(now) / 1000, UTC).year == 2024
    assert datetime.fromtimestamp(next(leap.instants(now)) / 1000, UTC).year == 2028


# Schedulers. The server's clock can't be set, so what is driven lies in its past: the mark is put back.


class Told(ServerClock):
    """A clock that says what it is told."""

    at: int = 0

    def now_ms(self) -> int:
        return self.at


MINUTE = 60_000


class Bench:
    """Schedulers of one function on one store, whose mark was set some minutes ago."""

    def __init__(self, store: Store, expression: str = "* * * * *", misfire: str = "latest") -> None:
        functions = Functions()

        @functions.function("test/tick", on=[cron(expression, misfire=misfire)], retries=1)  # type: ignore[arg-type]  # a literal
        async def tick(e: Event[Tick], step: Step) -> None:
            return None

        self.store, self.functions, self.seen = store, functions, Seen()
        self.clock = Told(store, tolerance_ms=1000)
        self.slot = store.keys.cron_slot("test/tick")
        self.mark = 0

    def scheduler(self) -> Scheduler:
        fn = self.functions["test/tick"]
        calls, trouble = SlotCalls(self.store, Limits()), Trouble(Spells("", self.seen, lambda: None))
        return Scheduler(fn, 0, fn.cron_triggers[0], self.slot, calls, self.clock, self.seen, trouble)

    async def since(self, minutes: int) -> None:
        """The schedule was last served so many minutes ago."""
        first = self.scheduler()
        await first.register()
        now = await self.store.time_ms()
        self.mark = now - now % MINUTE - minutes * MINUTE
        await self.store.call("HSET", self.slot.cron, "test/tick#0:mark", self.mark)
        self.clock.at = now

    async def ticks(self) -> list[int]:
        """The nominal instants on the stream, in minutes after the mark."""
        entries = await self.store.call("XRANGE", self.slot.stream, "-", "+")
        nominal = [json.loads(dict(zip(f[::2], f[1::2], strict=True))[b"data"])["nominalMs"] for _, f in entries]
        return [(at - self.mark) // MINUTE for at in nominal]


async def test_five_schedulers_enqueue_each_instant_once(store: Store) -> None:
    bench = Bench(store)
    await bench.since(20)
    five = [bench.scheduler() for _ in range(5)]
    for scheduler in five:
        await scheduler.register()
    for minute in range(1, 21):
        bench.clock.at = bench.mark + minute * MINUTE + 5
        async with anyio.create_task_group() as tasks:
            for scheduler in five:
                tasks.start_soon(scheduler.step)
    assert await bench.ticks() == list(range(1, 21))
    assert len(bench.seen.all(TickEnqueued)) == 20


@pytest.mark.parametrize(("misfire", "missed"), [("latest", [10]), ("all", list(range(1, 11)))])
async def test_what_was_missed_comes_by_the_misfire_rule(store: Store, misfire: str, missed: list[int]) -> None:
    bench = Bench(store, misfire=misfire)
    await bench.since(60)
    scheduler = bench.scheduler()
    await scheduler.register()
    bench.clock.at = bench.mark + 11 * MINUTE - 1
    await scheduler.step()
    assert await bench.ticks() == missed


async def test_none_skips_what_is_late_and_goes_on_with_the_next(store: Store) -> None:
    bench = Bench(store, "0 * * * *", misfire="none")
    await bench.since(240)
    hour = bench.scheduler()
    await hour.register()
    first = next(hour.trigger.expression.instants(bench.mark))
    bench.clock.at = first + 61_001
    await hour.step()
    assert await bench.ticks() == []
    bench.clock.at = first + 60 * MINUTE + 1_000
    await hour.step()
    assert [f.nominal_ms for f in bench.seen.all(TickEnqueued)] == [first + 60 * MINUTE]


async def test_a_long_absence_is_made_up_for_in_bounded_portions(store: Store) -> None:
    bench = Bench(store, misfire="all")
    await bench.since(250)
    scheduler = bench.scheduler()
    await scheduler.register()
    portions = []
    for _ in range(3):
        await scheduler.step()
        portions.append(len(await bench.ticks()))
    assert portions == [100, 200, 250]


async def test_a_changed_expression_begins_anew_and_the_old_scheduler_steps_back(store: Store) -> None:
    old, new = Bench(store, "* * * * *"), Bench(store, "*/2 * * * *")
    await old.since(20)
    before = old.scheduler()
    await before.register()
    after = new.scheduler()
    await after.register()
    old.clock.at = old.mark + 2 * MINUTE
    assert await before.step() is False
    assert await old.ticks() == []


async def test_a_tick_that_our_clock_takes_for_due_too_early_is_not_lost(store: Store) -> None:
    bench = Bench(store, "* * * * * *")
    await bench.since(0)
    now = await store.time_ms()
    await store.call("HSET", bench.slot.cron, "test/tick#0:mark", now)
    ahead = bench.scheduler()
    await ahead.register()
    nominal = next(ahead.trigger.expression.instants(now))
    bench.clock.at = nominal + 1  # while the server still has some of this second to go
    with anyio.fail_after(60):
        while not bench.seen.all(TickEnqueued):
            assert await ahead.step()
    assert bench.seen.all(TickEnqueued)[0].nominal_ms == nominal


async def test_the_store_itself_takes_no_instant_that_has_not_come(store: Store) -> None:
    """Whatever the clock of a scheduler says: nothing is enqueued, and the instant is not passed over either."""
    bench = Bench(store)
    await bench.since(0)
    calls, nominal = SlotCalls(store, Limits()), bench.mark + 60 * MINUTE
    generation = int(await store.call("HGET", bench.slot.cron, "test/tick#0:generation"))
    for fields in ({b"data": b"{}"}, None):
        answer = await calls.tick(bench.slot, "test/tick#0", generation, nominal, fields)
        assert answer == Early()
    assert await bench.ticks() == []
    assert await store.call("HGET", bench.slot.cron, "test/tick#0:mark") == str(bench.mark).encode()


async def test_after_a_flush_no_instant_is_missed(server: Server, store: Store) -> None:
    bench = Bench(store)
    await bench.since(20)
    scheduler = bench.scheduler()
    await scheduler.register()
    bench.clock.at = bench.mark + MINUTE
    await scheduler.step()
    server.empty()
    bench.clock.at = bench.mark + 2 * MINUTE
    while len(await bench.ticks()) < 1:
        assert await scheduler.step()
    assert await bench.ticks() == [2]


async def test_after_a_flush_an_old_expression_does_not_come_back(server: Server, store: Store) -> None:
    old, new = Bench(store, "* * * * *"), Bench(store, "*/2 * * * *")
    await old.since(20)
    before, after = old.scheduler(), new.scheduler()
    await before.register()
    await after.register()
    server.empty()
    await after.register()
    old.clock.at = await store.time_ms()
    assert await before.step() is False


async def test_an_old_scheduler_that_comes_back_does_not_put_its_expression_over_the_new_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_module, "LONGEST_NAP", 0.01)  # else it sleeps until its minute comes
    old, new = Bench(store, "* * * * *"), Bench(store, "*/2 * * * *")
    before, after = old.scheduler(), new.scheduler()
    assert await before.register()
    assert await after.register()
    assert not await before.register()  # its connection was lost for a moment
    assert await store.call("HGET", old.slot.cron, "test/tick#0:expression") == b"*/2 * * * *"
    new.clock.at = await store.time_ms()
    assert await after.step() is True


async def test_after_a_flush_the_later_expression_wins_whoever_comes_first(server: Server, store: Store) -> None:
    old, new = Bench(store, "* * * * *"), Bench(store, "*/2 * * * *")
    before, after = old.scheduler(), new.scheduler()
    await before.register()
    await after.register()
    server.empty()
    assert await before.register()
    assert await after.register()
    assert not await before.register()


@pytest.mark.parametrize("how", ["lost", "ours again", "abandoned"])
async def test_a_superseded_scheduler_goes_on_when_it_may(
    store: Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(scheduler_module, "LOOK_AGAIN", 0.05)
    monkeypatch.setattr(scheduler_module, "LONGEST_NAP", 0.05)
    old, new = Bench(store, "* * * * * *"), Bench(store, "0 0 * * *")
    before = old.scheduler()
    await before.register()
    await new.scheduler().register()
    monkeypatch.setattr(Told, "now_ms", ServerClock.now_ms)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(before.run)
        await later(store, 1_200)
        assert not old.seen.all(TickEnqueued)
        match how:
            case "lost":
                await store.call("DEL", old.slot.cron)
            case "ours again":
                again = Bench(store, "* * * * * *")
                await again.scheduler().register()
            case _:
                await store.call("HSET", old.slot.cron, "test/tick#0:seen", await store.time_ms() - 300_001)
        await old.seen.wait(TickEnqueued)
        tasks.cancel_scope.cancel()


async def test_a_scheduler_naps_no_longer_than_until_the_servers_clock_is_known_to_have_moved(one_store: Store) -> None:
    """What is due by the new time is enqueued then, and not when a nap of a minute by the old one is over."""
    bench, moved_ms = Bench(one_store, "0 0 1 1 *"), 0.0
    clock = ServerClock(one_store, tolerance_ms=500, local=lambda: time.monotonic() * 1000 + moved_ms)
    scheduler = replace(bench.scheduler(), clock=clock)
    await clock.sync()
    await scheduler.register()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(scheduler.step)
            await anyio.wait_all_tasks_blocked()
            moved_ms = -600_000.0
            moved = await clock.sync()
    assert "its clock moved" in moved


async def test_a_waiting_scheduler_says_that_it_stands_for_its_schedule(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_module, "LONGEST_NAP", 0.01)
    bench = Bench(store, "0 0 1 1 *")
    scheduler = bench.scheduler()
    await scheduler.register()
    bench.clock.at = await store.time_ms()
    await store.call("HSET", bench.slot.cron, "test/tick#0:seen", 1)
    assert await scheduler.step()
    assert int(await store.call("HGET", bench.slot.cron, "test/tick#0:seen")) > 1


async def test_ticks_run_their_function_and_go_on_after_a_flush(server: Server, store: Store) -> None:
    functions = Functions()
    got: list[int] = []

    @functions.function("test/tick", on=[cron("* * * * * *")], retries=1)
    async def tick(e: Event[Tick], step: Step) -> None:
        got.append(e.data.nominal_ms)

    def later_than(at: int) -> Callable[[RunEnded], bool]:
        return lambda _: bool(got) and got[-1] > at

    async with working(store, functions, lease_ms=1000, block=0.2) as seen:
        await seen.wait(RunEnded)
        server.empty()
        await seen.wait(RunEnded, where=later_than(await store.time_ms()))
    assert len(got) == len(set(got))
    assert all(at % 1000 == 0 for at in got)
