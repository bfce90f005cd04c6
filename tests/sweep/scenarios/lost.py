"""Workers that die, and groups and streams that are lost: taken over, ensured again, ended as lost."""

from __future__ import annotations

from joelclaw_bus import Event, Functions, Step, event
from tests.sweep.crank import Crank
from tests.sweep.faults import Fault, How, Point
from tests.sweep.scenario import Scenario
from tests.sweep.scenarios.events import Done, Job


class TakenOver(Scenario):
    """A worker died after two steps; another takes its run over. A crash here is one during the takeover."""

    sends = {"one": Job()}
    ends = {("test/work", "completed"): 1}
    events = {"test/job": 1, "test/done": 1}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")
            await step.run("one", self.play.act, step.run_id, "one")
            await step.send_event("tell", Done())
            await step.run("two", self.play.act, step.run_id, "two")

    async def prepare(self) -> None:
        await self.play.dying(self.first, Fault(Point("step", 3), How.BEFORE))

    async def first(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.read()

    async def drive(self, w: Crank) -> None:
        await w.take_over()
        await w.sweep()  # the item that the dead one had not delivered


class TakenOverFromReady(Scenario):
    """A worker died when its run went on after a rest: its entry is on the ready stream."""

    sends = {"one": Job()}
    ends = {("test/work", "completed"): 1}
    events = {"test/job": 1}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")
            await step.sleep("nap", 0.005)
            await step.run("one", self.play.act, step.run_id, "one")

    async def prepare(self) -> None:
        await self.play.dying(self.first, Fault(Point("step", 1), How.BEFORE))

    async def first(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.read()
        await self.play.until_due()
        await w.promote("test/job")
        await w.read()

    async def drive(self, w: Crank) -> None:
        await w.take_over()


class TakenOverAtTheEnd(TakenOver):
    """A worker died before its finish, when all steps were journaled: only the end is left to write."""

    async def prepare(self) -> None:
        await self.play.dying(self.first, Fault(Point("finish", 1), How.BEFORE))


class Duplicates(Scenario):
    """One id, sent twice, and appended twice more by a bare client: one run."""

    sends = {"one": Job()}
    ends = {("test/work", "completed"): 1}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")
            await step.run("one", self.play.act, step.run_id, "one")

    async def prepare(self) -> None:
        stream = self.play.raw.keys.slot("test/job").stream
        for _ in range(2):
            await self.play.raw.call("XADD", stream, "*", "id", "one", "data", "{}")

    async def drive(self, w: Crank) -> None:
        for _ in range(2):
            await self.play.send(w, "one")
        await w.read()

    async def finished(self) -> list[str]:
        """The publisher's own can't see the bare client's before somebody began one: at most one more."""
        length = await self.play.raw.call("XLEN", self.play.raw.keys.slot("test/job").stream)
        return [] if length == 3 else [f"{length} entries instead of 3"]


class GroupLost(Scenario):
    """A group is destroyed under its readers: it is made again at its mark, and what it had done is not done again."""

    sends = {"marked": Job(), "unmarked": Job(), "new": Job()}
    ends = {("test/work", "completed"): 3}
    events = {"test/job": 3}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")
            await step.run("one", self.play.act, step.run_id, "one")

    async def prepare(self) -> None:
        async with self.play.worker() as w:
            await self.play.send(w, "marked")
            await w.read()
            await w.keep_house()
            await self.play.send(w, "unmarked")
            await w.read()

    async def drive(self, w: Crank) -> None:
        await w.read()
        slot = w.store.keys.slot("test/job")
        await self.play.raw.call("XGROUP", "DESTROY", slot.stream, "test/work")
        await self.play.send(w, "new")
        await w.read()  # is told that its group is gone
        await w.read()


class StreamLost(Scenario):
    """A stream is lost while a run of it is open that has not rested: the run ends as lost, with a letter."""

    sends = {"one": Job()}
    letters = {"test/job": 1}
    spoilt = True

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1)
        async def work(e: Event[Job], step: Step) -> None:
            self.play.act(step.run_id, "")
            await step.run("one", self.play.act, step.run_id, "one")
            await step.run("two", self.play.act, step.run_id, "two")

    async def prepare(self) -> None:
        await self.play.dying(self.first, Fault(Point("step", 2), How.BEFORE))
        await self.play.raw.call("DEL", self.play.raw.keys.slot("test/job").stream)

    async def first(self, w: Crank) -> None:
        await self.play.send(w, "one")
        await w.read()

    async def drive(self, w: Crank) -> None:
        await w.read()
        await w.audit()

    async def finished(self) -> list[str]:
        status = await self.play.raw.call("HGET", self.play.raw.keys.slot("test/job").run("test/work:one"), "status")
        return [] if status == b"failed" else [f"the lost run's status is {status!r}"]
