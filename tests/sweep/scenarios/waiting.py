"""Runs that wait for events, runs that are cancelled, functions that are paused."""

from __future__ import annotations

from typing import Any

import anyio

from joelclaw_bus import Awaited, Event, Limits, Step
from joelclaw_bus.observer import RunParked
from joelclaw_bus.order_calls import OrderCalls
from joelclaw_bus.pauses import pause, resume
from tests.sweep.crank import Crank
from tests.sweep.scenarios.events import Done, Failed, Job
from tests.sweep.scenarios.limited import A_MOMENT
from tests.sweep.scenarios.one_job import OneJob


class Answered(OneJob):
    """A run waits for an event that comes later: registered, matched, told, taken away."""

    sends = {"one": Job(), "answer": Done(name="yes")}
    events = {"test/job": 1, "test/done": 1}
    options = {"awaits": [Done]}

    async def work(self, e: Event[Job], step: Step) -> str:
        answer = await step.wait_for_event("answer", Done, match={"name": "yes"}, timeout=60)
        await self.act(step, "after")
        return answer.id if answer else "nobody answered"

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await w.deliver()
        await self.play.send(w, "answer")
        await w.match()
        await w.read()

    async def finished(self) -> list[str]:
        kept = await self.play.raw.call("HGET", self.play.raw.keys.slot("test/job").run("test/work:one"), "result")
        return [] if kept == b'"answer"' else [f"the run's result is {kept!r}"]


class AnsweredBefore(Answered):
    """The same event came a moment before the run waits for it: it is found by looking back."""

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await self.play.send(w, "answer")
        await w.read()
        await w.deliver()
        await w.read()
        await w.match()


class MatcherDied(Answered):
    """A matcher died with the answer in its hands: another follows it up."""

    async def prepare(self) -> None:
        async with self.play.worker() as w:
            await self.start(w)
            await w.deliver()
        await self.play.dying(self.answers)

    async def answers(self, w: Crank) -> None:
        await self.play.send(w, "answer")
        slot = w.store.keys.slot("test/done")
        await w.store.call("XREADGROUP", "GROUP", "~waits", "dead", "COUNT", 1, "STREAMS", slot.stream, ">")
        self.play.die()

    async def drive(self, w: Crank) -> None:
        await w.rematch()
        await w.read()


class Unknown(Answered):
    """The awaited slot has lost the index of its waits: the auditor wakes the run, which registers anew."""

    spoilt = True

    async def prepare(self) -> None:
        async with self.play.worker() as w:
            await self.start(w)
            await w.deliver()
        await self.play.raw.call("DEL", self.play.raw.keys.slot("test/done").wait_index)

    async def drive(self, w: Crank) -> None:
        await w.audit()
        await w.promote("test/job")
        await w.read()
        await w.deliver()
        await self.play.send(w, "answer")
        await w.match()
        await w.read()


class TimedOut(OneJob):
    """Nothing comes: the run goes on when its time is over, after one more look."""

    events = {"test/job": 1, "test/done": 0}
    options = {"awaits": [Done]}

    async def work(self, e: Event[Job], step: Step) -> bool:
        return await step.wait_for_event("answer", Done, timeout=0.02) is None

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await w.deliver()
        await self.wake(w)


class FirstOfTwo(OneJob):
    """Two events are waited for: the first to come ends it, and the other wait is called off."""

    sends = {"one": Job(), "answer": Done(name="b")}
    events = {"test/job": 1, "test/done": 1}
    expected = b"[1]"
    options = {"awaits": [Done, Failed]}

    async def work(self, e: Event[Job], step: Step) -> list[Any]:
        first = await step.wait_for_first("answer", [Awaited(Failed), Awaited(Done, {"name": "b"})], timeout=60)
        return [first.index] if first else []

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await w.deliver()
        await self.play.send(w, "answer")
        await w.match()
        await w.read()
        await self.play.time_passes()
        await w.sweep()  # what is called off waits in the outbox: nobody posted it

    async def finished(self) -> list[str]:
        raw = self.play.raw
        kept = await raw.call("HGET", raw.keys.slot("test/job").run("test/work:one"), "result")
        wrong = [] if kept == self.expected else [f"the run's result is {kept!r}"]
        for name in ("test/done", "test/failed"):
            if await raw.call("EXISTS", raw.keys.slot(name).wait_items):
                wrong.append(f"{name} still has its waits")
        return wrong


class AllOfTwo(FirstOfTwo):
    """Two events are waited for, and both have to come."""

    sends = {"one": Job(), "answer": Done(name="b"), "failed": Failed()}
    expected = b"[true,true]"

    async def work(self, e: Event[Job], step: Step) -> list[Any]:
        both = await step.wait_for_all("answer", [Awaited(Failed), Awaited(Done, {"name": "b"})], timeout=60)
        return [came is not None for came in both]

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await w.deliver()
        for id in ("answer", "failed"):
            await self.play.send(w, id)
            await w.match()
        await w.read()


class CancelledAsleep(OneJob):
    """An operator ends a run that sleeps and holds an exclusive permit: the next one gets it."""

    sends = {"one": Job(name="rests"), "two": Job()}
    ends = {("test/work", "cancelled"): 1, ("test/work", "completed"): 1}
    events = {"test/job": 2}
    options = {"exclusive": 1}

    async def work(self, e: Event[Job], step: Step) -> None:
        if e.data.name == "rests":
            await step.sleep("nap", 600)

    async def cancel(self, w: Crank) -> None:
        with w.trying():
            await OrderCalls(w.store, Limits()).cancel(w.store.keys.slot("test/job"), "test/work:one", "not wanted")

    async def resume(self, w: Crank) -> None:
        """The operator, who saw no answer, does it again once the run is there."""
        await self.play.time_passes()
        await w.take_over()
        await w.read()
        await self.cancel(w)

    async def drive(self, w: Crank) -> None:
        for id in ("one", "two"):
            await self.play.send(w, id)
            await w.read()
        await self.cancel(w)
        await self.play.time_passes()
        await w.sweep()
        await w.read()
        await w.deliver()


class CancelledWaiting(CancelledAsleep):
    """An operator ends a run that waits for an event: its wait is called off."""

    sends = {"one": Job()}
    ends = {("test/work", "cancelled"): 1}
    events = {"test/job": 1}
    options = {"awaits": [Done]}

    async def work(self, e: Event[Job], step: Step) -> None:
        await step.wait_for_event("answer", Done, timeout=600)

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await w.deliver()
        await self.cancel(w)
        await self.play.time_passes()
        await w.sweep()

    async def finished(self) -> list[str]:
        waits = await self.play.raw.call("EXISTS", self.play.raw.keys.slot("test/done").wait_items)
        return ["test/done still has its waits"] if waits else []


class CancelledAtWork(CancelledAsleep):
    """An operator ends a run while its handler is at work: its next write is refused, and nothing runs again."""

    sends = {"one": Job()}
    ends = {("test/work", "cancelled"): 1}
    events = {"test/job": 1}
    options = {}

    async def work(self, e: Event[Job], step: Step) -> None:
        await self.act(step, "one")
        self.at_work.set()
        await self.cancelled.wait()
        await self.act(step, "two")

    async def prepare(self) -> None:
        self.at_work, self.cancelled = anyio.Event(), anyio.Event()

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.begin_reading()
        await w.handled(unless=self.at_work)
        await self.cancel(w)
        self.cancelled.set()
        await w.handled()

    async def resume(self, w: Crank) -> None:
        """He cancels as soon as he sees the run again, before its handler can end."""
        self.at_work, self.cancelled = anyio.Event(), anyio.Event()
        await self.play.time_passes()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(w.take_over)
            await w.begin_reading()
            await self._seen()
            await self.cancel(w)
            self.cancelled.set()
        await w.handled()

    async def _seen(self) -> None:
        """Until the run is at work again, or has ended: it may have been cancelled already."""
        raw = self.play.raw
        with anyio.move_on_after(20):
            while not self.at_work.is_set():
                if await raw.call("HGET", raw.keys.slot("test/job").run("test/work:one"), "state") == b"ended":
                    return
                with anyio.move_on_after(0.02):
                    await self.at_work.wait()


class CancelledBeforeTheNext(CancelledAtWork):
    """The run that is ended at work holds an exclusive permit: the next one begins when its handler has stopped."""

    sends = {"one": Job(name="stays"), "two": Job()}
    ends = {("test/work", "cancelled"): 1, ("test/work", "completed"): 1}
    events = {"test/job": 2}
    options = {"exclusive": 1}

    async def work(self, e: Event[Job], step: Step) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            if e.data.name == "stays":
                await super().work(e, step)
        finally:
            self.inside -= 1

    inside = most = 0

    async def drive(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.begin_reading()
        await w.handled(unless=self.at_work)
        if not self.at_work.is_set():
            return  # it was not read: `resume` goes on from there
        await self.cancel(w)
        await self.play.send(w, "two")
        await w.begin_reading()
        with anyio.move_on_after(A_MOMENT):
            await self.play.seen.wait(RunParked, where=lambda f: f.state == "held")
        self.cancelled.set()
        await w.handled()
        await w.deliver()
        await w.read()
        await w.deliver()

    async def finished(self) -> list[str]:
        return [f"{self.most} were at work at once"] if self.most > 1 else []


class CancelledUnread(CancelledAsleep):
    """An operator ends a run that nobody has begun: it never runs, and the one behind it does."""

    ends = {("test/work", "cancelled"): 1, ("test/work", "completed"): 1}

    async def cancel(self, w: Crank) -> None:
        slot = w.store.keys.slot("test/job")
        with w.trying():
            ((entry, _),) = await self.play.raw.call("XRANGE", slot.stream, "-", "+", "COUNT", 1)
            await OrderCalls(w.store, Limits()).cancel_unread(slot, "test/work:one", entry.decode(), "not wanted")

    async def resume(self, w: Crank) -> None:
        """The operator, who saw no answer, does it again before a worker comes to it."""
        await self.cancel(w)
        await self.play.time_passes()
        await w.take_over()
        await w.read()

    async def drive(self, w: Crank) -> None:
        for id in ("one", "two"):
            await self.play.send(w, id)
        await self.cancel(w)
        await w.read()
        await w.sweep()
        await w.deliver()


class Paused(OneJob):
    """A function is held back and resumed: what came meanwhile is done then."""

    async def drive(self, w: Crank) -> None:
        with w.trying():
            await pause(w.store, "test/work", owner="tests", reason="to try it")
        await self.play.send(w, "one")
        await w.sweep()
        await w.take_over()
        await self.resume(w)
        await w.sweep()
        await w.read()

    async def resume(self, w: Crank) -> None:
        """The operator resumes what he paused, until he has an answer."""
        with w.trying():
            await resume(w.store, "test/work")
