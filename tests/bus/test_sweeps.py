"""A sweep asks first which slots have something to do: an idle bus is quiet, and nothing that lies there is missed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from joelclaw_bus import Functions, OutboxItem, Publisher, Store, Worker
from joelclaw_bus.observer import Stuck, Unstuck
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.promoter import OUTBOX_SWEEPS, Promoter
from joelclaw_bus.trouble import Trouble
from joelclaw_contracts import EventModel
from tests.support.seen import Seen

SLOTS = 20


class Later(EventModel):
    event_name: ClassVar[str] = "test/later"


class Told(EventModel):
    event_name: ClassVar[str] = "test/told"


@dataclass
class Bench:
    """A promoter that is turned by hand."""

    store: Store
    promoter: Promoter
    seen: Seen

    async def sweep(self) -> None:
        self.promoter._swept_ms = 0
        await self.promoter.step()

    async def scripts(self) -> int:
        """How many the server has run."""
        told = await self.store.call("INFO", "commandstats")
        lines = dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)
        calls = lines.get("cmdstat_evalsha", "calls=0,").split(",")[0]
        return int(calls.removeprefix("calls="))


@pytest.fixture
async def bench(one_store: Store) -> AsyncIterator[Bench]:
    seen = Seen()
    worker = Worker(one_store, Functions(), observer=seen)
    assert worker.clock
    names = [Later.event_name, *(f"test/idle-{n}" for n in range(SLOTS))]
    troubles = Trouble(worker.spells), Trouble(worker.spells)
    pauses = Pauses(one_store, worker.clock.now_ms)
    own = [one_store.keys.slot(name) for name in names]
    promoter = Promoter(
        own, worker.slot_calls, worker.outbox, pauses, worker.clock, seen, *troubles, "me", chores_ms=10**9
    )
    await worker.clock.sync()
    yield Bench(one_store, promoter, seen)
    worker.outbox.posted.close()


async def test_where_nothing_is_to_do_no_script_runs(bench: Bench) -> None:
    await bench.sweep()
    before = await bench.scripts()
    for _ in range(2 * OUTBOX_SWEEPS):
        await bench.sweep()
    assert await bench.scripts() == before


async def test_what_is_due_without_a_nudge_is_promoted_by_the_next_sweep(bench: Bench) -> None:
    slot = bench.store.keys.slot(Later.event_name)
    await Publisher(bench.store).send(Later(), id="later", at_ms=await bench.store.time_ms() + 3_600_000)
    await bench.store.call("ZADD", slot.due, "XX", 1, "e:later")
    await bench.sweep()
    assert await bench.store.call("XLEN", slot.stream) == 1


async def test_what_a_dead_worker_left_in_an_outbox_is_delivered_within_some_sweeps(bench: Bench) -> None:
    slot = bench.store.keys.slot("test/idle-7")
    for start in range(OUTBOX_SWEEPS):  # it may have been left before any of them
        item = OutboxItem(id=f"event:{start}", kind="event", target=Told.event_name, event_id=f"t{start}", data="{}")
        await bench.store.call("HSET", slot.outbox_items, item.id, item.encode())
        await bench.store.call("ZADD", slot.outbox, 1, item.id)
        for _ in range(OUTBOX_SWEEPS):
            await bench.sweep()
        assert await bench.store.call("XLEN", Told.event_name) == start + 1
        await bench.sweep()


async def test_a_slot_that_can_t_be_read_is_told_and_stops_no_other_and_then_is_told_as_over(bench: Bench) -> None:
    slot = bench.store.keys.slot("test/idle-3")
    await bench.store.call("SET", slot.due, "no index")
    await test_what_is_due_without_a_nudge_is_promoted_by_the_next_sweep(bench)
    assert [(f.slot, f.what) for f in bench.seen.all(Stuck)] == [("test/idle-3", "promote")]
    await bench.store.call("DEL", slot.due)
    await bench.sweep()
    assert [(f.slot, f.what) for f in bench.seen.all(Unstuck)] == [("test/idle-3", "promote")]
