"""A worker to kill: `python -m joelclaw_cli.demo.worker REDIS-URL JOURNAL LEASE-MS`; one function of three steps.

What a step does stands in the journal, a line each, outside the store: so a step that was done twice can't hide.
Whatever happens to the demo, it ends by itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import ClassVar

import anyio

from joelclaw_bus import Event, Fact, Functions, Step, StoreSettings, Worker, WorkerSettings, event, open_store
from joelclaw_bus.observer import TakenOver
from joelclaw_contracts import EventModel

FUNCTION = "demo/three-steps"
STEPS = ("one", "two", "three")
SECONDS, LONGEST = 1.2, 300


class WorkRequested(EventModel):
    event_name: ClassVar[str] = "demo/work.requested"

    order: str


class WorkDone(EventModel):
    event_name: ClassVar[str] = "demo/work.done"

    order: str
    by: int


class Journal:
    """Appends what is done, and what the bus says about a take-over."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, **what: object) -> None:
        os.write(self._file, (json.dumps({"pid": os.getpid(), **what}) + "\n").encode())

    def saw(self, fact: Fact) -> None:
        if isinstance(fact, TakenOver) and fact.function == FUNCTION:
            self.write(did="took over")


def functions_of(journal: Journal) -> Functions:
    functions = Functions()

    @functions.function(FUNCTION, on=[event(WorkRequested)], retries=2)
    async def three_steps(e: Event[WorkRequested], step: Step) -> None:
        for name in STEPS:
            _by: int = await step.run(name, _work, journal, name)
        await step.send_event("done", WorkDone(order=e.data.order, by=os.getpid()))

    return functions


async def _work(journal: Journal, step: str) -> int:
    """A step that takes a while; its record says who did it."""
    journal.write(did="step", step=step)
    await anyio.sleep(SECONDS)
    return os.getpid()


async def main(url: str, path: str, lease_ms: int) -> None:
    signal.alarm(LONGEST)
    journal = Journal(path)
    settings = WorkerSettings(lease_ms=lease_ms, block=0.5, parallel=4)
    async with open_store(StoreSettings(url)) as store:
        await Worker(store, functions_of(journal), settings, observer=journal).run(stop=anyio.Event())


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]))
