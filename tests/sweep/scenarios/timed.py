"""What waits for its time: delayed events, many due at once, schedules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import takewhile
from typing import Any, ClassVar

from joelclaw_bus import Event, Functions, Limits, Step, Tick, cron
from joelclaw_bus.cron import parse
from joelclaw_bus.run_calls import RunCalls
from joelclaw_bus.scheduler import Scheduler
from tests.support.waiting import later
from tests.sweep.crank import Crank
from tests.sweep.scenario import Scenario
from tests.sweep.scenarios.events import Done, Job
from tests.sweep.scenarios.one_job import OneJob

HOURLY = "0 * * * *"
HOUR_MS = 3_600_000


class Delayed(OneJob):
    """A run sends an event that is due later, to a stream that nobody reads: an elected process promotes it."""

    events = {"test/job": 1, "test/done": 1}

    async def work(self, e: Event[Job], step: Step) -> None:
        self.due_ms = await step.run("due", self._draw, step)
        await step.send_event("tell", Done(), at_ms=self.due_ms)

    async def _draw(self, step: Step) -> int:
        self.play.act(step.run_id, "due")
        return step.now_ms + 20

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await w.deliver()
        await self.play.until_due()
        await w.sweep()

    async def finished(self) -> list[str]:
        rows = await self.play.raw.call("XRANGE", self.play.raw.keys.slot("test/done").stream, "-", "+")
        return [f"{row[0]!r} came early" for row in rows if int(row[0].partition(b"-")[0]) < self.due_ms]


class DelayedCancelled(OneJob):
    """An operator takes a delayed event back: nobody gets it, and who sends it again does not bring it back."""

    ends: ClassVar[Mapping[tuple[str, str], int]] = {}
    events: ClassVar[Mapping[str, int]] = {"test/job": 0}

    async def prepare(self) -> None:
        async with self.play.worker() as w:
            await w.worker.publisher.send(Job(), id="one", at_ms=await w.store.time_ms() + HOUR_MS)

    async def drive(self, w: Crank) -> None:
        with w.trying():
            await self.resume(w)
        await self.play.send(w, "one")
        await w.promote("test/job")
        await w.read()

    async def resume(self, w: Crank) -> None:
        """The operator, who saw no answer, does it again."""
        slot = w.store.keys.slot("test/job")
        await RunCalls(w.store, Limits()).cancel_delayed(slot, "one", {"test/work": "test/work:one"}, "not wanted")


class DueAtOnce(OneJob):
    """Two delayed events and a run that rests are due in one slot: one promotion moves them."""

    sends = {"one": Job(name="rests")}
    ends = {("test/work", "completed"): 3}
    events = {"test/job": 3}

    async def work(self, e: Event[Job], step: Step) -> None:
        if e.data.name == "rests":
            await step.sleep("nap", 0.01)

    async def prepare(self) -> None:
        async with self.play.worker() as w:
            await self.start(w)
            due = await w.store.time_ms() + 100
            for id in ("two", "three"):
                await w.worker.publisher.send(Job(), id=id, at_ms=due)
        await later(self.play.raw, 110)

    async def drive(self, w: Crank) -> None:
        await w.promote("test/job")
        await w.read()


class Ticks(Scenario):
    """A schedule whose ticks were missed for hours, all of which are wanted: each instant is one run."""

    def declare(self, functions: Functions) -> None:
        @functions.function("test/clock", on=[cron(HOURLY, misfire="all")], retries=1)
        async def tick(e: Event[Tick], step: Step) -> None:
            self.play.act(step.run_id, "")

    async def prepare(self) -> None:
        """The schedule was registered three hours ago, and nobody was there since."""
        async with self.play.worker() as w:
            await w.tick()
        cron_key = self.play.raw.keys.cron_slot("test/clock").cron
        self.mark_ms = int(await self.play.raw.call("HGET", cron_key, "test/clock#0:mark")) - 3 * HOUR_MS
        await self.play.raw.call("HSET", cron_key, "test/clock#0:mark", self.mark_ms)

    async def drive(self, w: Crank) -> None:
        await w.tick()
        await w.read()

    def wanted(self, now_ms: int) -> list[int]:
        return list(takewhile(lambda at: at <= now_ms, parse(HOURLY).instants(self.mark_ms)))

    def wrong_ends(self, ends: Counter[tuple[str, str]]) -> list[str]:
        """As many as there are instants: three, or four if the hour has turned meanwhile."""
        return [] if set(ends) == {("test/clock", "completed")} and ends.total() in (3, 4) else [f"runs ended {ends}"]

    async def finished(self) -> list[str]:
        """Each instant has its tick, in order, none early."""
        now = await self.play.raw.time_ms()
        wanted = self.wanted(now)
        rows = await self.play.raw.call("XRANGE", self.play.raw.keys.slot("cron/test/clock").stream, "-", "+")
        found = [Tick.from_json(dict(zip(f[::2], f[1::2], strict=True))[b"data"]).nominal_ms for _, f in rows]
        early = [entry for (entry, _), at in zip(rows, found, strict=True) if int(entry.partition(b"-")[0]) < at]
        wrong = [f"ticks at {found}, and should be at {wanted}"] if found != wanted else []
        return wrong + [f"tick {entry!r} came early" for entry in early]


class TwoSchedulers(Ticks):
    """Two processes race for the same instants: each is enqueued once. The one under test wins some."""

    async def drive(self, w: Crank) -> None:
        async with self.play.worker() as other:
            (ours,), (theirs,) = w.parts.all(Scheduler), other.parts.all(Scheduler)
            with w.trying():
                await ours.register()
                await theirs.register()
                (first, *_) = ours.due()
                await ours.enqueue(first)
                await other.tick()
                await ours.step()
        await w.read()


class Overlapping(Scenario):
    """A tick that finds the one before it still at work is skipped."""

    def declare(self, functions: Functions) -> None:
        @functions.function("test/clock", on=[cron(HOURLY, misfire="all")], retries=1, exclusive=1)
        async def tick(e: Event[Any], step: Step) -> None:
            self.play.act(step.run_id, "")
            await step.sleep("nap", 0.3)

    def wrong_ends(self, ends: Counter[tuple[str, str]]) -> list[str]:
        """The first one runs. The others are skipped, unless a fault made them come twice: then they may have begun
        before, and have their turn."""
        skipped = ends[("test/clock", "skipped")]
        wrong = ends.total() not in (2, 3) or not ends[("test/clock", "completed")]
        wrong |= not self.play.fault and not skipped
        return [f"runs ended {ends}"] if wrong else []

    async def prepare(self) -> None:
        async with self.play.worker() as w:
            await w.tick()
        cron_key = self.play.raw.keys.cron_slot("test/clock").cron
        mark = await self.play.raw.call("HGET", cron_key, "test/clock#0:mark")
        await self.play.raw.call("HSET", cron_key, "test/clock#0:mark", int(mark) - 2 * HOUR_MS)

    async def drive(self, w: Crank) -> None:
        await w.tick()
        await w.read()
        await self.play.until_due()
        await w.promote("cron/test/clock")
        await w.read()
        await w.deliver()
