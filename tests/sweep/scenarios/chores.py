"""The slow chores: heartbeats, trimming, mending, retiring, and the outboxes of the dead."""

from __future__ import annotations

import json
from dataclasses import replace

from joelclaw_bus import Event, Limits, OutboxItem, Published, Publisher, Step, StoreRefused
from tests.support.waiting import later
from tests.sweep.crank import Crank
from tests.sweep.faults import Fault, How, Point
from tests.sweep.scenario import SETTINGS
from tests.sweep.scenarios.events import Done, Job
from tests.sweep.scenarios.one_job import OneJob


class HouseKept(OneJob):
    """Acknowledged events are trimmed, ended runs forgotten, silent consumers retired, dead heartbeats struck."""

    sends = {"one": Job(name="rests"), "two": Job()}
    ends = {("test/work", "completed"): 2}
    events = {"test/job": 0}
    settings = replace(SETTINGS, lease_ms=1)  # who is silent for 20 ms has gone
    limits = Limits(events_ms=0, ended_ms=1)

    async def work(self, e: Event[Job], step: Step) -> None:
        if e.data.name == "rests":
            await step.sleep("nap", 0.01)

    async def prepare(self) -> None:
        async with self.play.worker() as w:
            await self.play.send(w, "one")
            await self.play.send(w, "two")
            await w.read()
            await self.wake(w)
        raw = self.play.raw
        await raw.call("HSET", raw.keys.workers, "long-gone", json.dumps({"at": 1}))
        await later(raw, 30)

    async def drive(self, w: Crank) -> None:
        await w.read()
        await w.keep_house()

    async def finished(self) -> list[str]:
        raw, slot = self.play.raw, self.play.raw.keys.slot("test/job")
        wrong = []
        if await raw.call("HEXISTS", raw.keys.workers, "long-gone"):
            wrong.append("the dead worker still has its heartbeat")
        consumers = await raw.call("XINFO", "CONSUMERS", slot.stream, "test/work")
        if len(consumers) > (3 if self.play.crashed else 1):
            wrong.append(f"{len(consumers)} consumers are left")
        if await raw.call("EXISTS", slot.ended):
            wrong.append("the ended runs are still listed")
        return wrong


class PutBack(OneJob):
    """Runs that lost what would wake them: one its due member, one its entry on the ready stream."""

    sends = {"one": Job(), "two": Job()}
    ends = {("test/work", "completed"): 2}
    events = {"test/job": 2}
    spoilt = True

    async def work(self, e: Event[Job], step: Step) -> None:
        await step.sleep("nap", 0.005)
        await self.act(step, "one")

    async def prepare(self) -> None:
        raw, slot = self.play.raw, self.play.raw.keys.slot("test/job")
        async with self.play.worker() as w:
            for id in ("one", "two"):
                await self.play.send(w, id)
            await w.read()
            await later(raw, 10)
            await raw.call("ZREM", slot.due, "r:test/work:two")
            await w.promote("test/job")
        await raw.call("DEL", slot.ready("test/work"))

    async def drive(self, w: Crank) -> None:
        await w.audit()
        await w.promote("test/job")
        await w.read()


class FreedByTheAuditor(OneJob):
    """A permit that nobody gave back, an outbox item and a due event that lost their times: found by the auditor."""

    events = {"test/job": 1, "test/done": 1}
    spoilt = True
    sends = {}
    options = {"exclusive": 1}

    async def prepare(self) -> None:
        raw, slot = self.play.raw, self.play.raw.keys.function_slot("test/work")
        await raw.call("ZADD", slot.permits(""), "+inf", "test/job|test/work:gone")
        await raw.call("HSET", slot.claims(""), "test/job|test/work:gone", "a claim")
        job = raw.keys.slot("test/job")
        item = OutboxItem("event:x", "event", "test/done", event_id="x", data="{}", created_ms=await raw.time_ms())
        await raw.call("HSET", job.outbox_items, item.id, item.encode())
        async with self.play.worker() as w:
            await w.worker.publisher.send(Job(), id="later", at_ms=await raw.time_ms() + 60)
        await raw.call("ZREM", job.due, "e:later")

    async def drive(self, w: Crank) -> None:
        await w.sweep()  # which elects it
        await w.audit()
        await w.audit()
        await self.wake(w)
        await w.deliver()
        await self.play.time_passes()
        await w.sweep()


class LeftInTheOutbox(OneJob):
    """A worker died before it delivered what its run sends: whoever sweeps delivers it."""

    events = {"test/job": 1, "test/done": 2}

    async def work(self, e: Event[Job], step: Step) -> None:
        await step.send_event("tell", Done())
        await step.send_event("again", Done(name="b"))

    async def prepare(self) -> None:
        await self.play.dying(self.first, Fault(Point("publish", 2), How.AFTER))

    async def first(self, w: Crank) -> None:
        await self.start(w)
        await w.deliver()

    async def drive(self, w: Crank) -> None:
        await w.sweep()


class LeftByAFullStore(LeftInTheOutbox):
    """The store takes no new events when a worker sweeps: what it could not send comes again after one hold."""

    async def drive(self, w: Crank) -> None:
        outbox = w.worker.outbox
        healthy, outbox.publisher = outbox.publisher, FullStore(w.store)
        try:
            await w.sweep()
        finally:
            outbox.publisher = healthy
        await self.play.time_passes()
        await w.sweep()


class FullStore(Publisher):
    """Publishes as a full store lets it: not at all."""

    async def send_item(self, item: OutboxItem) -> Published:
        raise StoreRefused(self.store.where, "OOM", "command not allowed when used memory > 'maxmemory'.")
