"""A run that is ended from outside while its handler is at work: the next one of its exclusive permit begins when that
handler has stopped, or when its worker's lease has run out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from anyio import to_thread

from joelclaw_bus import Event, Functions, Limits, Publisher, Step, Store, event
from joelclaw_bus.leases import HeldPermit, Leases
from joelclaw_bus.observer import RunEnded, RunParked, RunStarted, WriteRefused
from joelclaw_bus.order_calls import OrderCalls
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.publisher import release_item
from joelclaw_bus.slot_calls import SlotCalls
from joelclaw_bus.slot_calls.permits import read_claim
from joelclaw_contracts import EventModel
from tests.support.bench import Bench
from tests.support.lone_worker import ALONE, Lone, build
from tests.support.processes import Workers
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.worker_process import Ledger
from tests.support.workers import working


class Job(EventModel):
    event_name: ClassVar[str] = "test/job"

    way: str = ""


FN, FIRST, SECOND = "test/work", "test/job|test/work:first", "test/job|test/work:second"
NEVER: dict[str, Any] = {"lease_ms": 60_000, "fallback_ms": 600_000}
"""No lease runs out within a test, and nobody asks again: what goes on does so because it was handed its permit."""


async def cancel(store: Store, run: str = "test/work:first", event_name: str = "test/job") -> bool:
    return (await OrderCalls(store, Limits()).cancel(store.keys.slot(event_name), run, "not wanted")).done


class Diary:
    """What the handlers did, in its order. The first one's goes on when `go` is set."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.go = anyio.Event()
        self.functions = Functions()

        @self.functions.function(FN, on=[event(Job)], retries=1, exclusive=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.lines.append(f"{e.id} began")
            try:
                if e.data.way:
                    await self._do(e.data.way, step)
            finally:
                self.lines.append(f"{e.id} stopped")

    async def __aenter__(self) -> None:
        """Whatever a test finds, its handlers end."""

    async def __aexit__(self, *_: object) -> None:
        self.go.set()

    async def _do(self, way: str, step: Step) -> None:
        if way == "sleeps":
            await step.sleep("nap", 600)
        with anyio.CancelScope(shield=True):
            await self.go.wait()
        if way == "writes":
            await step.run("late", lambda: None)


async def two(store: Store, seen: Seen, way: str) -> None:
    """The first is at work (or asleep), and the second waits for its permit."""
    await Publisher(store).send(Job(way=way), id="first")
    await seen.wait(RunParked if way == "sleeps" else RunStarted)
    await Publisher(store).send(Job(), id="second")
    await seen.wait(RunParked, where=lambda f: f.state == "held")


async def test_a_handler_that_does_not_heed_the_cancel_is_waited_for(one_store: Store) -> None:
    diary = Diary()
    async with working(one_store, diary.functions, lease_ms=60_000, fallback_ms=100) as seen, diary:
        await two(one_store, seen, "ignores")
        asked = len(seen.all(RunParked))
        assert await cancel(one_store)

        async def asked_often() -> bool:
            return len(seen.all(RunParked)) >= asked + 5 or len(diary.lines) > 1

        await until(asked_often)
        assert diary.lines == ["first began"]
        diary.go.set()
        await seen.wait(RunEnded)
    assert diary.lines == ["first began", "first stopped", "second began", "second stopped"]


@pytest.mark.parametrize("way", ["returns", "writes", "sleeps"])
async def test_who_waits_for_a_cancelled_run_begins_as_soon_as_its_handler_has_stopped(store: Store, way: str) -> None:
    diary = Diary()
    async with working(store, diary.functions, **NEVER) as seen, diary:
        await two(store, seen, way)
        assert await cancel(store)
        diary.go.set()
        ended = await seen.wait(RunEnded)
        refused = [] if way == "sleeps" else await seen.wait(WriteRefused)
    assert [f.run for f in ended] == ["test/work:second"]
    assert [f.operation for f in refused] == {"returns": ["finish"], "writes": ["step late"], "sleeps": []}[way]
    assert diary.lines == ["first began", "first stopped", "second began", "second stopped"]


async def test_a_run_that_is_only_taken_from_its_worker_keeps_its_permit(store: Store) -> None:
    """Its handler stops, and the run is open: somebody else goes on with it, before the next."""
    diary, slot = Diary(), store.keys.slot("test/job")
    async with working(store, diary.functions, **NEVER) as seen, diary:
        await two(store, seen, "returns")
        (entry,) = await store.call("XPENDING", slot.stream, FN, "-", "+", 1)
        await store.call("XCLAIM", slot.stream, FN, "thief", 0, entry[0], "JUSTID")
        diary.go.set()
        await seen.wait(WriteRefused)
    # Its worker has ended: whatever it had to give back has arrived.
    holders = await store.call("ZRANGE", store.keys.function_slot(FN).permits(""), 0, -1, "WITHSCORES")
    assert holders == [FIRST.encode(), b"inf"]
    assert diary.lines == ["first began", "first stopped"]
    for run in ("test/work:second", "test/work:first"):
        assert await cancel(store, run)
    await store.call("DEL", *(getattr(store.keys.function_slot(FN), k)("") for k in ("permits", "claims", "waiters")))


async def test_that_a_handler_is_at_work_is_renewed_until_it_has_stopped(bench: Bench) -> None:
    """Its run has ended, and its entry is gone."""
    store, d = bench.store, await bench.read("a")
    slot, calls = store.keys.function_slot(FN), SlotCalls(store, Limits())
    lost: list[Callable[[], None]] = []
    leases = Leases(60_000, "a", store.blocking_client(5), lost.append, lambda error: None)
    held = leases.take(d)
    assert held is not None
    held.permit = HeldPermit(slot.permits(""), slot.claims(""), FIRST, "mine", 1, until_the_end=True)

    async def told() -> tuple[bytes, int]:
        score = await store.call("ZSCORE", slot.permits(""), FIRST)
        return score, read_claim(await store.call("HGET", slot.claims(""), FIRST))[1]

    await calls.acquire(FN, "", FIRST, 1, 0, "mine", at_work_ms=20_000)
    first = (await told())[1]
    await to_thread.run_sync(leases.renew)
    score, second = await told()
    assert (score, second > first) == (b"inf", True)
    await store.call("XACK", d.source, d.function, d.entry)
    assert await calls.release(FN, "", FIRST, 0) is None
    assert await told() == (str(second).encode(), second)
    await store.call("HSET", slot.claims(""), FIRST, f"mine {first}")
    await to_thread.run_sync(leases.renew)
    score, third = await told()
    assert len(lost) == 1, "the handler is told"
    assert (score, third >= second) == (str(third).encode(), True)
    leases.stop()
    await calls.release(FN, "", FIRST, 0, by="mine")
    assert await store.call("EXISTS", slot.permits(""), slot.claims("")) == 0


@pytest.fixture
def workers(one_server: Server, tmp_path: Path) -> Iterator[Workers]:
    started = Workers(one_server.url, tmp_path / "ledger", lease_ms=1_000)
    started.module = "tests.support.lone_worker"
    yield started
    started.stop()


async def test_a_worker_that_is_killed_after_the_cancel_is_waited_for_a_lease(
    workers: Workers, one_store: Store
) -> None:
    own, member = one_store.keys.function_slot(ALONE), f"test/lone|{ALONE}:first"
    killed = workers.start()
    await Publisher(one_store).send(Lone(name="first", waits=True), id="first")
    await workers.wait(act="began")
    assert await cancel(one_store, f"{ALONE}:first", "test/lone")
    killed.kill()
    killed.wait(20)
    at_work = read_claim(await one_store.call("HGET", own.claims(""), member))[1]
    async with working(one_store, build(Ledger(str(workers.ledger))), lease_ms=1_000, fallback_ms=200) as seen:
        await Publisher(one_store).send(Lone(name="second"), id="second")
        await seen.wait(RunStarted)
        assert await one_store.time_ms() >= at_work > 0
        await seen.wait(RunEnded)
    assert [line["name"] for line in workers.where(act="stopped")] == ["second"]


async def test_an_older_worker_s_release_lets_a_permit_expire_and_what_it_took_is_free_at_once(store: Store) -> None:
    """An older build names no handler when it gives a permit back, and does not say how long its own is at work."""
    calls, slot = SlotCalls(store, Limits()), store.keys.function_slot(FN)
    outbox, item = Outbox(calls, Publisher(store), Seen()), release_item(FIRST, FN, "", "older", 0, at_the_end=True)
    assert (await calls.acquire(FN, "", FIRST, 1, 0, "newer", at_work_ms=200)).held
    await outbox.deliver(slot, item)
    assert not (await calls.acquire(FN, "", SECOND, 1, 0, "next")).held

    async def expired() -> bool:
        now = await store.time_ms()
        return (await calls.acquire(FN, "", SECOND, 1, 0, "next", at_ms=now)).held

    await until(expired)
    await outbox.deliver(slot, release_item(SECOND, FN, "", "older", 0, at_the_end=True))
    outbox.posted.close()
    assert await store.call("EXISTS", slot.permits(""), slot.claims("")) == 0


def test_a_claim_says_how_long_its_handler_is_at_work() -> None:
    told = [read_claim(raw) for raw in (b"a1b2 1700", b"a1b2", b"wake:e|f:my id 5:1700", None, b"f \xff 5")]
    assert told == [("a1b2", 1700), ("a1b2", 0), ("wake:e|f:my id 5:1700", 0), ("", 0), ("f \\xff", 5)]
