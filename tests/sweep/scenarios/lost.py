"""Workers that die, and groups and streams that are lost: taken over, ensured again, ended as lost."""

from __future__ import annotations

from joelclaw_bus import Event, Step
from joelclaw_bus.audit.judge import RECORD_FORMAT
from joelclaw_bus.takeover import Takeover
from tests.sweep.crank import Crank
from tests.sweep.faults import Fault, How, Point
from tests.sweep.scenarios.events import Done, Job
from tests.sweep.scenarios.one_job import OneJob


class TakenOver(OneJob):
    """A worker died after two steps; another takes its run over. A crash here is one during the takeover."""

    events = {"test/job": 1, "test/done": 1}

    async def work(self, e: Event[Job], step: Step) -> None:
        await self.act(step, "one")
        await step.send_event("tell", Done())
        await self.act(step, "two")

    async def prepare(self) -> None:
        await self.play.dying(self.start, Fault(Point("step", 3), How.BEFORE))

    async def drive(self, w: Crank) -> None:
        await w.take_over()
        await w.sweep()  # the item that the dead one had not delivered


class TakenOverFromReady(OneJob):
    """A worker died when its run went on after a rest: its entry is on the ready stream."""

    async def work(self, e: Event[Job], step: Step) -> None:
        await step.sleep("nap", 0.005)
        await self.act(step, "one")

    async def prepare(self) -> None:
        await self.play.dying(self.first, Fault(Point("step", 1), How.BEFORE))

    async def first(self, w: Crank) -> None:
        await self.start(w)
        await self.wake(w)

    async def drive(self, w: Crank) -> None:
        await w.take_over()


class LeftToANewerBuild(TakenOver):
    """What a dead worker of a newer build left is found by an older one: a newer one has it without waiting."""

    async def prepare(self) -> None:
        await super().prepare()
        await self._format(RECORD_FORMAT + 1)

    async def drive(self, w: Crank) -> None:
        await w.take_over()
        await self._format(RECORD_FORMAT)  # as the newer one reads it, which takes the election from an older one
        await self.play.raw.call("DEL", self.play.raw.keys.slot("test/job").claimer("test/work"))
        async with self.play.worker() as newer:
            await newer.take_over()
            await newer.sweep()

    async def resume(self, w: Crank) -> None:
        await self._format(RECORD_FORMAT)
        (takeover,) = w.parts.all(Takeover)
        takeover.executor.left_alone.local = lambda: float("inf")  # it looks at it again when a lease has passed

    async def _format(self, number: int) -> None:
        record = self.play.raw.keys.slot("test/job").run("test/work:one")
        if await self.play.raw.call("EXISTS", record):
            await self.play.raw.call("HSET", record, "v", number)


class TakenOverAtTheEnd(TakenOver):
    """A worker died before its finish, when all steps were journaled: only the end is left to write."""

    async def prepare(self) -> None:
        await self.play.dying(self.start, Fault(Point("finish", 1), How.BEFORE))


class Duplicates(OneJob):
    """One id, sent twice, and appended twice more by a bare client: one run."""

    events = {}

    async def work(self, e: Event[Job], step: Step) -> None:
        await self.act(step, "one")

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


class GroupLost(OneJob):
    """A group is destroyed under its readers: it is made again at its mark, and what it had done is not done again."""

    sends = {"marked": Job(), "unmarked": Job(), "new": Job()}
    ends = {("test/work", "completed"): 3}
    events = {"test/job": 3}

    async def work(self, e: Event[Job], step: Step) -> None:
        await self.act(step, "one")

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


class StreamLost(OneJob):
    """A stream is lost while a run of it is open that has not rested: the run ends as lost, with a letter."""

    letters = {"test/job": 1}
    spoilt = True
    events = {}
    ends = {}

    async def work(self, e: Event[Job], step: Step) -> None:
        await self.act(step, "one")
        await self.act(step, "two")

    async def prepare(self) -> None:
        await self.play.dying(self.start, Fault(Point("step", 2), How.BEFORE))
        await self.play.raw.call("DEL", self.play.raw.keys.slot("test/job").stream)

    async def drive(self, w: Crank) -> None:
        await w.read()
        await w.audit()

    async def finished(self) -> list[str]:
        status = await self.play.raw.call("HGET", self.play.raw.keys.slot("test/job").run("test/work:one"), "status")
        return [] if status == b"failed" else [f"the lost run's status is {status!r}"]
