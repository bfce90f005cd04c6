"""One job of one function: most scenarios are that, and say what is different."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from joelclaw_bus import Event, Functions, Step, event
from tests.sweep.crank import Crank
from tests.sweep.scenario import Scenario
from tests.sweep.scenarios.events import Job


class OneJob(Scenario):
    """Unless it says otherwise, its job `one` is sent and read, and its run completes.

    options: the function's, beside its trigger and its one retry; work: what the handler does once it has begun.
    """

    sends = {"one": Job()}
    ends = {("test/work", "completed"): 1}
    events = {"test/job": 1}
    options: ClassVar[Mapping[str, Any]] = {}

    def declare(self, functions: Functions) -> None:
        @functions.function("test/work", on=[event(Job)], retries=1, **self.options)
        async def work(e: Event[Job], step: Step) -> object:
            self.play.act(step.run_id, "")
            return await self.work(e, step)

    async def work(self, e: Event[Job], step: Step) -> object:
        """Nothing more than to begin and to end."""

    async def act(self, step: Step, name: str) -> int:
        """A journaled step; a value that no other act returns."""
        return await step.run(name, self.play.act, step.run_id, name)

    async def start(self, w: Crank) -> None:
        """The job is sent and read: its run begins, and goes as far as it can."""
        await self.play.send(w, "one")
        await w.read()

    async def wake(self, w: Crank) -> None:
        """What rests next is due, and goes on."""
        await self.play.until_due()
        await w.promote("test/job")
        await w.read()
