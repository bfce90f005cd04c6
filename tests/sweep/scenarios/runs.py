"""Runs that end well: with and without steps, asleep, sending."""

from __future__ import annotations

from contextlib import suppress

import anyio

from joelclaw_bus import BatchCutShort, Event, Functions, Step, ToSend, event
from tests.sweep.crank import Crank
from tests.sweep.scenario import Scenario
from tests.sweep.scenarios.events import Done, Job
from tests.sweep.scenarios.one_job import OneJob


class Stepless(OneJob):
    """One event, one function, no steps: publish, begin, finish."""


class Batch(OneJob):
    """Two events in one step: both are there or none, and sent again none is doubled."""

    sends = {"one": Job(), "two": Job()}
    ends = {("test/work", "completed"): 2}
    events = {"test/job": 2}

    async def drive(self, w: Crank) -> None:
        with suppress(BatchCutShort):  # its producer sends again what has no answer
            await w.worker.publisher.send_many([ToSend(job, id=id) for id, job in self.sends.items()])
            self.play.unsent.clear()
        await w.read()


class Foreign(OneJob):
    """An event by a bare client, without an id: its run has no record, and one write, the finish."""

    sends = {}

    async def prepare(self) -> None:
        await self.play.raw.call("XADD", self.play.raw.keys.slot("test/job").stream, "*", "data", "{}")


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


class ThreeSteps(OneJob):
    """A run with three journaled steps and a result."""

    async def work(self, e: Event[Job], step: Step) -> int:
        one = await self.act(step, "one")
        two = await self.act(step, "two")
        return one + two + await self.act(step, "three")


class Asleep(OneJob):
    """A run that rests twice between its steps, and goes on from its ready stream."""

    async def work(self, e: Event[Job], step: Step) -> None:
        await self.act(step, "before")
        await step.sleep("nap", 0.01)
        await self.act(step, "between")
        await step.sleep_until("later", step.now_ms + 10)
        await self.act(step, "after")

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        for _ in range(2):
            await self.wake(w)


class Sending(OneJob):
    """A run that sends an event: journaled with the item that carries it, delivered, struck."""

    events = {"test/job": 1, "test/done": 1}

    async def work(self, e: Event[Job], step: Step) -> None:
        await step.send_event("tell", Done())
        await self.act(step, "after")

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await w.deliver()


class Renewed(OneJob):
    """A handler that works while its lease and its permit are renewed."""

    options = {"concurrency": 1}

    async def work(self, e: Event[Job], step: Step) -> None:
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


class RenewedAlone(Renewed):
    """The same under a permit that is kept until the end: it is renewed that its handler is at work."""

    options = {"exclusive": 1}


class HandedBack(OneJob):
    """A worker that is stopped while its handler is at work: it hands back, and another goes on at once."""

    events = {"test/job": 1, "test/done": 1}
    hands_on = True

    async def work(self, e: Event[Job], step: Step) -> None:
        await step.send_event("tell", Done())
        if self.stopping:
            self.at_work.set()
            await anyio.sleep_forever()
        await self.act(step, "after")

    async def prepare(self) -> None:
        self.stopping, self.at_work = True, anyio.Event()

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.begin_reading()
        await w.handled(unless=self.at_work)
        self.stopping, w.stopping = False, True

    async def resume(self, w: Crank) -> None:
        self.stopping = False
