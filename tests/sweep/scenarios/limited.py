"""Limits: who may run now, who waits, and how a permit gets from one to the next."""

from __future__ import annotations

from collections import Counter

import anyio

from joelclaw_bus import Debounce, Event, RateLimit, Reject, Step
from joelclaw_bus.observer import RunParked
from tests.sweep.crank import Crank
from tests.sweep.scenarios.events import Job
from tests.sweep.scenarios.one_job import OneJob

A_MOMENT = 0.2
"""So long at most the first run waits for the second to be refused: a fault may keep that one from ever asking."""


class Concurrency(OneJob):
    """Two runs want the one permit to execute: the second is held, and woken when the first gives it back."""

    sends = {"one": Job(), "two": Job()}
    ends = {("test/work", "completed"): 2}
    events = {"test/job": 2}
    options = {"concurrency": 1}

    async def work(self, e: Event[Job], step: Step) -> None:
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            if not self.refused:
                with anyio.move_on_after(A_MOMENT):
                    await self.play.seen.wait(RunParked, where=lambda f: f.state == "held")
                self.refused = True
        finally:
            self.at_work -= 1

    at_work = most_at_work = 0
    refused = False

    async def drive(self, w: Crank) -> None:
        for id in ("one", "two"):
            await self.play.send(w, id)
        await w.read()
        await w.deliver()
        await w.read()
        await w.deliver()

    async def finished(self) -> list[str]:
        return [f"{self.most_at_work} were at work at once"] if self.most_at_work != 1 else []


class Exclusive(OneJob):
    """A run keeps its permit while it rests; the next one is held until it ends."""

    sends = {"one": Job(name="rests"), "two": Job()}
    ends = {("test/work", "completed"): 2}
    events = {"test/job": 2}
    options = {"exclusive": 1}

    async def work(self, e: Event[Job], step: Step) -> None:
        if step.run_id not in self.order:
            self.order.append(step.run_id)
        elif self.order[-1] != step.run_id:
            self.mixed.append(f"{step.run_id} went on after {self.order[-1]} had begun")
        if e.data.name == "rests":
            await step.sleep("nap", 0.01)

    async def prepare(self) -> None:
        self.order, self.mixed = list[str](), list[str]()

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await self.play.send(w, "two")
        await w.read()
        await self.wake(w)
        await w.deliver()
        await w.read()
        await w.deliver()

    async def finished(self) -> list[str]:
        return self.mixed


class OverItsRate(OneJob):
    """As many runs as the rate allows have started: this one rests until its turn, takes it once, and goes on."""

    options = {"rate_limit": RateLimit(1, 600)}
    SOON_MS = 1_000

    async def prepare(self) -> None:
        raw = self.play.raw
        starts = raw.keys.function_slot("test/work").starts("")
        await raw.call("ZADD", starts, await raw.time_ms() - 600_000 + self.SOON_MS, "another run")
        await raw.call("PEXPIRE", starts, 600_000)

    async def work(self, e: Event[Job], step: Step) -> None:
        await self.act(step, "first")
        await step.sleep("nap", 0.01)

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await self.wake(w)
        await self.wake(w)


class OutpacedByALater(OneJob):
    """Two events of one key come close together: the first one's run ends as debounced, the second one's runs."""

    sends = {"one": Job(), "two": Job()}
    ends = {("test/work", "skipped"): 1, ("test/work", "completed"): 1}
    events = {"test/job": 2}
    options = {"debounce": Debounce(1.0)}

    async def work(self, e: Event[Job], step: Step) -> None:
        await self.act(step, "first")
        await step.sleep("nap", 0.01)

    async def drive(self, w: Crank) -> None:
        for id in self.sends:
            await self.play.send(w, id)
            await w.read()
        for _ in range(3):
            await self.wake(w)

    def wrong_ends(self, ends: Counter[tuple[str, str]]) -> list[str]:
        """Where the second is read late, for a fault, all was quiet after the first: then both run."""
        both = Counter({("test/work", "completed"): 2})
        return [] if ends == both and self.play.fault else super().wrong_ends(ends)


class FailingHolder(OneJob):
    """A run fails for good and gives its permit to the next in the same step."""

    sends = {"one": Job(name="fails"), "two": Job()}
    ends = {("test/work", "failed"): 1, ("test/work", "completed"): 1}
    events = {"test/job": 2}
    letters = {"test/job": 1}
    options = {"exclusive": 1}

    async def work(self, e: Event[Job], step: Step) -> None:
        await step.sleep("nap", 0.01)
        if e.data.name == "fails":
            raise Reject("it has to")

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await self.play.send(w, "two")
        await w.read()
        for _ in range(2):
            await self.wake(w)
            await w.deliver()
            await w.read()


class LeakedPermit(OneJob):
    """A permit whose run has ended was never given back: the next one that is refused finds out, and frees it."""

    spoilt = True
    options = {"exclusive": 1}

    async def prepare(self) -> None:
        slot = self.play.raw.keys.function_slot("test/work")
        await self.play.raw.call("ZADD", slot.permits(""), "+inf", "test/job|test/work:gone")
        await self.play.raw.call("HSET", slot.claims(""), "test/job|test/work:gone", "a claim")
        # Its run is over, and its record has expired: as after a hand-over that an older build lost.

    async def drive(self, w: Crank) -> None:
        await self.start(w)
        await w.deliver()
        await self.play.time_passes()  # freeing the permit handed it on: to this very run, which has ended meanwhile
        await w.sweep()
