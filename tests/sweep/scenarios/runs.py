"""Runs that end well: with and without steps, asleep, sending."""

from __future__ import annotations

import anyio

from joelclaw_bus import Event, Functions, Step, event
from tests.sweep.crank import Crank
from tests.sweep.scenario import Scenario
from tests.sweep.scenarios.events import Done, Job


class Stepless(Scenario):
    """One event, one function, no steps: publish, begin, finish."""

    sends = {"one": Job()}
    ends = {("test/work", "completed"): 1}
    events = {"test/job": 1}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.read()


class Foreign(Scenario):
    """An event by a bare client, without an id: its run has no record, and one write, the finish."""

    ends = {("test/work", "completed"): 1}
    events = {"test/job": 1}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")

    async def prepare(self) -> None:
        await self.play.raw.call("XADD", self.play.raw.keys.slot("test/job").stream, "*", "data", "{}")

    async def drive(self, w: Crank) -> None:
        await w.read()


class Unwanted(Scenario):
    """Events that the trigger's filter does not want: one without an id, one with."""

    sends = {"one": Job()}
    ends = {("test/work", "skipped"): 2}
    events = {"test/job": 2}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job, when=lambda e: e.data.name == "b")], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")

    async def prepare(self) -> None:
        await self.play.raw.call("XADD", self.play.raw.keys.slot("test/job").stream, "*", "data", "{}")

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.read()


class ThreeSteps(Scenario):
    """A run with three journaled steps and a result."""

    sends = {"one": Job()}
    ends = {("test/work", "completed"): 1}
    events = {"test/job": 1}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> int:
            self.play.act(step.run_id, "")
            one = await step.run("one", self.play.act, step.run_id, "one")
            two = await step.run("two", self.play.act, step.run_id, "two")
            return one + two + await step.run("three", self.play.act, step.run_id, "three")

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.read()


class Asleep(Scenario):
    """A run that rests twice between its steps, and goes on from its ready stream."""

    sends = {"one": Job()}
    ends = {("test/work", "completed"): 1}
    events = {"test/job": 1}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")
            await step.run("before", self.play.act, step.run_id, "before")
            await step.sleep("nap", 0.01)
            await step.run("between", self.play.act, step.run_id, "between")
            await step.sleep_until("later", step.now_ms + 10)
            await step.run("after", self.play.act, step.run_id, "after")

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.read()
        for _ in range(2):
            await self.play.until_due()
            await w.promote("test/job")
            await w.read()


class Sending(Scenario):
    """A run that sends an event: journaled with the item that carries it, delivered, struck."""

    sends = {"one": Job()}
    ends = {("test/work", "completed"): 1}
    events = {"test/job": 1, "test/done": 1}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")
            await step.send_event("tell", Done())
            await step.run("after", self.play.act, step.run_id, "after")

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.read()
        await w.deliver()


class Renewed(Scenario):
    """A handler that works while its lease and its permit are renewed."""

    sends = {"one": Job()}
    ends = {("test/work", "completed"): 1}
    events = {"test/job": 1}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1, concurrency=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")
            await step.run("long", self._long, step)

    async def _long(self, step: Step) -> int:
        if self.renewing:
            self.renewing.renew()
        return self.play.act(step.run_id, "long")

    renewing: Crank | None = None

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        self.renewing = w
        await w.read()
        self.renewing = None
        await w.deliver()


class HandedBack(Scenario):
    """A worker that is stopped while its handler is at work: it hands back, and another goes on at once."""

    sends = {"one": Job()}
    ends = {("test/work", "completed"): 1}
    events = {"test/job": 1, "test/done": 1}
    hands_on = True

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")
            await step.send_event("tell", Done())
            if self.stopping:
                self.at_work.set()
                await anyio.sleep_forever()
            await step.run("after", self.play.act, step.run_id, "after")

    async def prepare(self) -> None:
        self.stopping, self.at_work = True, anyio.Event()

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.begin_reading()
        await w.handled(unless=self.at_work)
        self.stopping, w.stopping = False, True

    async def resume(self, w: Crank) -> None:
        self.stopping = False
