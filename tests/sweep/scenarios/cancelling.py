"""Runs that an event cancels: at rest, before they begin, and one that ends by itself."""

from __future__ import annotations

from joelclaw_bus import Event, Step, cancel_on
from joelclaw_bus.observer import RunCancelled
from tests.sweep.crank import Crank
from tests.sweep.scenarios.events import Done, Job
from tests.sweep.scenarios.one_job import OneJob


class CancelledByEvent(OneJob):
    """A run rests when the event comes that cancels it; another one, of which it says nothing, ends well. Neither
    leaves a wait."""

    sends = {"one": Job(name="rests"), "two": Job(name="ends"), "stop": Done(name="rests")}
    ends = {("test/work", "cancelled"): 1, ("test/work", "completed"): 1}
    events = {"test/job": 2, "test/done": 1}
    options = {"cancel_on": [cancel_on(Done, "name")]}

    async def work(self, e: Event[Job], step: Step) -> None:
        if e.data.name == "rests":
            await step.sleep("nap", 600)

    async def drive(self, w: Crank) -> None:
        for id in ("one", "two"):
            await self.play.send(w, id)
        await w.read()
        await w.deliver()
        await self.play.send(w, "stop")
        await w.match()
        await self.swept(w)

    async def swept(self, w: Crank) -> None:
        """What the cancelling called off goes by the outbox, which nobody posted."""
        await w.deliver()
        await self.play.time_passes()
        await w.sweep()

    async def finished(self) -> list[str]:
        left = await self.play.raw.call("HKEYS", self.play.raw.keys.slot("test/done").wait_items)
        return [f"test/done still has the waits {left}"] if left else []


class CancelledBeforeItBegan(CancelledByEvent):
    """The event came when nobody had read the run's own: looking back finds it, and no handler is called."""

    sends = {"one": Job(name="rests"), "stop": Done(name="rests")}
    ends = {("test/work", "cancelled"): 1}
    events = {"test/job": 1, "test/done": 1}

    async def work(self, e: Event[Job], step: Step) -> None:
        assert self.play.seen.all(RunCancelled), "it began, though the event lay there"

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await self.play.send(w, "stop")
        await w.read()
        await w.match()
        await self.swept(w)
