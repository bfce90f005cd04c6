"""Runs that fail, and events that can't be read: retries, dead letters, answers, replay, poison."""

from __future__ import annotations

from joelclaw_bus import Event, Functions, Limits, Reject, Step, StoreUnavailable, dead_letters, event
from joelclaw_bus.inspect.dead import list_dead
from joelclaw_bus.order_calls import OrderCalls
from tests.sweep.crank import Crank
from tests.sweep.scenario import Scenario
from tests.sweep.scenarios.events import AT_ONCE, Done, Job
from tests.sweep.scenarios.one_job import OneJob


class Retried(OneJob):
    """A run that fails once and succeeds then; what it had journaled stays done."""

    options = {"backoff": AT_ONCE}

    async def work(self, e: Event[Job], step: Step) -> None:
        await self.act(step, "one")
        if step.attempt == 0:
            raise OSError("not yet")

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await self.wake(w)


class FailedForGood(OneJob):
    """A final failure: its end, its dead letter and the two events that tell of it are one step."""

    ends = {("test/work", "failed"): 1}
    events = {"test/job": 1, "test/done": 2}
    letters = {"test/job": 1}
    options = {"backoff": AT_ONCE, "on_failure": lambda f: [Done(), Done(name="b")]}

    async def work(self, e: Event[Job], step: Step) -> None:
        raise OSError("never")

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await self.wake(w)
        await w.deliver()


class OutOfSteps(OneJob):
    """A run that has reached its limit of steps when it wants to sleep: the park is refused, and it ends as failed."""

    ends = {("test/work", "failed"): 1}
    letters = {"test/job": 1}
    limits = Limits(steps=1)

    async def work(self, e: Event[Job], step: Step) -> None:
        await self.act(step, "one")
        await step.sleep("nap", 1)


class Waiting(OneJob):
    """A handler that met a store that is away: its run waits, and that is no attempt."""

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            began = self.play.act(step.run_id, "")
            await self.act(step, "one")
            if self.first in (0, began):
                self.first = began
                raise StoreUnavailable("elsewhere", "it is away")

    first = 0

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await self.wake(w)


class Unreadable(Scenario):
    """An event that does not validate, read by two functions: one letter, one answer."""

    events = {"test/job": 1, "test/done": 1}
    letters = {"test/job": 1}

    def declare(self, functions: Functions) -> None:
        functions.on_invalid["test/job"] = lambda data, error, event_id: [Done(name=event_id)]

        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")

        @functions.function("test/other", on=[event(Job)], retries=1)
        async def other(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")

    async def prepare(self) -> None:
        await self.play.raw.call("XADD", self.play.raw.keys.slot("test/job").stream, "*", "data", "bad")

    async def drive(self, w: Crank) -> None:
        await w.read()
        await w.deliver()


class Replayed(OneJob):
    """A dead letter that an operator puts back on its stream."""

    ends = {("test/work", "failed"): 1, ("test/work", "completed"): 1}
    events = {"test/job": 2}

    async def work(self, e: Event[Job], step: Step) -> None:
        if self.broken:
            raise Reject("broken")

    broken = True

    async def prepare(self) -> None:
        async with self.play.worker() as w:
            await self.start(w)
        self.broken = False

    async def drive(self, w: Crank) -> None:
        with w.trying():
            await self._replay(w)
        await w.read()

    async def _replay(self, w: Crank) -> None:
        for letter in await list_dead(w.store, pattern="test/*"):
            await dead_letters.replay(w.store, letter, b"{}")

    async def resume(self, w: Crank) -> None:
        """The operator, who saw no answer, looks again."""
        await self._replay(w)


class Redriven(OneJob):
    """A failed run that an operator opens again: it goes on behind its journal."""

    ends = {("test/work", "failed"): 1, ("test/work", "completed"): 1}
    events = {"test/job": 1, "test/done": 1}
    options = {"on_failure": lambda f: [Done()]}
    from_start = False

    async def work(self, e: Event[Job], step: Step) -> None:
        await self.act(step, "one")
        if self.broken:
            raise Reject("broken")

    broken = True

    async def prepare(self) -> None:
        async with self.play.worker() as w:
            await self.start(w)
            await w.deliver()
        self.broken = False

    async def drive(self, w: Crank) -> None:
        with w.trying():
            await self._redrive(w)
        await w.promote("test/job")
        await w.read()

    async def _redrive(self, w: Crank) -> None:
        calls = OrderCalls(w.store, Limits())
        for letter in await list_dead(w.store, pattern="test/*"):
            await calls.redrive(w.store.keys.slot("test/job"), letter.run, letter.id, from_start=self.from_start)

    async def resume(self, w: Crank) -> None:
        """The operator, who saw no answer, looks again."""
        await self._redrive(w)


class RedrivenFromStart(Redriven):
    """The same from its start: its steps are done again."""

    from_start = True


class RedrivenInVain(Redriven):
    """A run that is opened again and fails again: there is a letter again, and its failure is told a second time."""

    ends = {("test/work", "failed"): 2}
    events = {"test/job": 1, "test/done": 2}
    letters = {"test/job": 1}

    async def prepare(self) -> None:
        await super().prepare()
        self.broken = True

    async def drive(self, w: Crank) -> None:
        await super().drive(w)
        await w.deliver()

    async def _redrive(self, w: Crank) -> None:
        """Who sees that it was opened again already leaves it alone."""
        raw = self.play.raw
        if await raw.call("HGET", raw.keys.slot("test/job").run("test/work:one"), "redriven") is None:
            await super()._redrive(w)


class Poison(OneJob):
    """An entry whose handler ended its worker too often: buried by whoever takes it over, without a handler."""

    ends = {("test/work", "failed"): 1}
    events = {"test/job": 1, "test/done": 1}
    letters = {"test/job": 1}
    limits = Limits(begins=1)
    options = {"on_failure": lambda f: [Done()]}

    async def work(self, e: Event[Job], step: Step) -> None:
        self.play.die()

    async def prepare(self) -> None:
        await self.play.dying(self.start)
        await self.play.dying(Crank.take_over)

    async def drive(self, w: Crank) -> None:
        await w.take_over()
        await w.deliver()
