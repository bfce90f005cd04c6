"""What the workers run: runs of three journaled steps in several kinds, and ticks.

| kind     | what its run does besides the three steps                                    |
|----------|------------------------------------------------------------------------------|
| plain    | nothing                                                                      |
| slow     | takes its time in the second step                                            |
| long     | the same, longer than a lease: who froze in it wakes while another one is    |
|          | at it, and tries to write what it must not                                   |
| sleeps   | rests between the steps, and must not wake early                             |
| late     | its event is sent for a later time, and must not come early                  |
| sends    | sends one event at its end, which must arrive once                           |
| waits    | waits for an event that is sent a little before or after its own             |
| poison   | ends its process in the second step, at every begin                          |

A newer build has one more field in the event and one more step.
"""

from __future__ import annotations

import itertools
import os
import random
from typing import ClassVar

import anyio

from joelclaw_bus import Event, Functions, Step, cron, event
from joelclaw_bus.event import Tick
from joelclaw_contracts import EventModel
from tests.chaos.ledger import Ledger

KINDS = {"plain": 0.76, "slow": 0.07, "long": 0.01, "sleeps": 0.04, "late": 0.04, "sends": 0.04, "waits": 0.04}
EACH_SECOND = "* * * * * *"
RARELY = "0 0 29 2 *"
"""A schedule under which the ticks that are there are handled, and no more of them come."""
PATIENCE = 600.0
"""Longer than any part lasts: a wait that ends by its time-out missed its event."""
LOOK_BACK = PATIENCE
"""On a busy machine a run may begin to wait minutes after its answer was sent."""
WORK = "chaos/work"
TICKS = "chaos/ticks"
SCHEDULES_PER_FUNCTION = 50
_numbers = itertools.count()


class Job(EventModel):
    """`size`: seconds of work or rest; `due`: when it may come at the earliest, ms of the server's clock."""

    event_name: ClassVar[str] = "chaos/job"

    kind: str
    size: float = 0
    due: int = 0


class NewerJob(Job):
    """The event as the newer build sends it."""

    since: str = ""


class Answer(EventModel):
    """What a run of the kind `waits` waits for: the one that names its own event."""

    event_name: ClassVar[str] = "chaos/answer"

    to: str


class Done(EventModel):
    event_name: ClassVar[str] = "chaos/done"

    run: str


def job_of(number: int, seed: int, *, newer: bool) -> tuple[str, Job, float]:
    """(event id, event, seconds until it is due) of one run: drawn from seed and number alone."""
    dice = random.Random(f"{seed}:{number}")
    kind = dice.choices(list(KINDS), list(KINDS.values()))[0]
    least, most = {"slow": (0.05, 0.4), "long": (3.0, 4.5), "sleeps": (0.1, 2.0)}.get(kind, (0.0, 0.0))
    size = round(dice.uniform(least, most), 3)
    job = NewerJob(kind=kind, size=size, since="2") if newer else Job(kind=kind, size=size)
    return f"{kind}-{number}", job, dice.uniform(0.3, 4.0) if kind == "late" else 0.0


def working(ledger: Ledger, *, newer: bool) -> Functions:
    """The function of the main part."""
    functions = Functions()

    @functions.function(WORK, on=[event(NewerJob if newer else Job)], retries=2, awaits=[Answer])
    async def work(e: Event[Job], step: Step) -> None:
        claim = step._delivery.claim  # the ledger tells begins apart by it
        ledger.write("handler", run=step.run_id, claim=claim, now=step.now_ms, due=e.data.due)
        results: dict[str, str] = {}

        async def act(name: str) -> str:
            token = f"{os.getpid()}-{next(_numbers)}"
            ledger.write("act", run=step.run_id, claim=claim, step=name, token=token)
            if name == "two" and e.data.kind in ("slow", "long"):
                await anyio.sleep(e.data.size)
            if name == "two" and e.data.kind == "poison":
                ledger.write("dies", run=step.run_id)
                os._exit(3)
            return token

        for name in ("one", "two", "three", *(("four",) if newer else ())):
            results[name] = await step.run(name, act, name)
            if name == "one" and e.data.kind == "sleeps":
                await step.sleep("rest", e.data.size)
        more: dict[str, str] = {}
        if e.data.kind == "waits":
            wait = step.wait_for_event("answer", Answer, match={"to": e.id}, timeout=PATIENCE, look_back=LOOK_BACK)
            answer = await wait
            more["waited"] = answer.data.to if answer else ""
        if e.data.kind == "sends":
            await step.send_event("done", Done(run=step.run_id))
        ledger.write("handled", run=step.run_id, claim=claim, results=results, **more)

    return functions


def ticking(ledger: Ledger, schedules: int, *, every: str) -> Functions:
    """The functions of the cron part: `schedules` schedules, fifty to a function."""
    functions = Functions()
    for first in range(0, schedules, SCHEDULES_PER_FUNCTION):
        count = min(SCHEDULES_PER_FUNCTION, schedules - first)

        @functions.function(
            f"{TICKS}-{first // SCHEDULES_PER_FUNCTION}",
            on=[cron(every, misfire="all", overlap="queue") for _ in range(count)],
            retries=2,
        )
        async def tick(e: Event[Tick], step: Step) -> None:
            ledger.write("handled", run=step.run_id, claim=step._delivery.claim, tick=e.id)

    return functions
