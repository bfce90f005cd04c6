"""What the functions do: their events say it, in words that are drawn by the seed.

| function       | on           | what is special                                    |
|----------------|--------------|----------------------------------------------------|
| sim/free       | `sim/job`    | no limit                                           |
| sim/few        | `sim/job`    | `concurrency` per lane                             |
| sim/alone      | `sim/lone`   | `exclusive`, one per lane                          |
| sim/echo       | `sim/echo`   | what the others send                               |
| cron/tick…     | a schedule   | misfire and overlap as drawn                       |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, ClassVar

import anyio

from joelclaw_bus import Backoff, Event, Functions, Limit, Reject, Step, Tick, cron, event
from joelclaw_contracts import EventModel
from tests.simulation.judge import Judge
from tests.simulation.process import Process

FREE, FEW, ALONE, ECHO, TICK = "sim/free", "sim/few", "sim/alone", "sim/echo", "sim/tick"
STREAMS = {"sim/job": (FREE, FEW), "sim/lone": (ALONE,), "sim/echo": (ECHO,)}
"""Which functions read which stream, where a history has them."""
RETRIES = 3


class Job(EventModel):
    event_name: ClassVar[str] = "sim/job"

    words: list[str]
    """`run`; `work S` (in place); `sleep S` (parked); `fail N` attempts; `reject`; `send S` (after so long);
    `wait S KEY` (for an answer of this key, so long)."""
    lane: str = ""
    not_before: int = 0


class Lone(Job):
    event_name: ClassVar[str] = "sim/lone"


class Answer(EventModel):
    event_name: ClassVar[str] = "sim/answer"

    key: str


class Echo(EventModel):
    event_name: ClassVar[str] = "sim/echo"

    said_by: str
    not_before: int = 0


EVENTS: dict[str, type[EventModel]] = {m.event_name: m for m in (Job, Lone, Echo, Answer)}


def words_of(dice: Random, lease: float, number: int) -> list[str]:
    """What the runs of one event do. number: the event's."""
    words = []
    for place in range(dice.randint(1, 5)):
        kind = dice.choices(["run", "work", "sleep", "fail", "send", "wait"], [4, 2, 3, 1, 2, 2])[0]
        match kind:
            case "work":
                words.append(f"work {dice.choice([0.05, 0.5, lease / 2, lease * 1.2]):.2f}")
            case "sleep":
                words.append(f"sleep {dice.choice([0.0, 0.2, 3.0, lease]):.2f}")
            case "fail":
                words.append(f"fail {dice.randint(1, RETRIES)}")
            case "wait":
                words.append(f"wait {dice.choice([0.5, lease, lease * 2]):.2f} q{number}-{place}")
            case "send":
                words.append(f"send {dice.choice([0.0, 0.0, 2.5]):.2f}")
            case _:
                words.append("run")
    if dice.random() < 0.1:
        words.append(dice.choice(["reject", f"fail {RETRIES + 1}"]))
    return words


def status_of(words: list[str]) -> str:
    """How a run of these words ends, whatever happens on the way."""
    return "failed" if words[-1] in ("reject", f"fail {RETRIES + 1}") else "completed"


def functions_for(
    judge: Judge, few: int, kinds: frozenset[str], crons: list[tuple[str, str, str]]
) -> Callable[[Process, bool], Functions]:
    """How a process builds its functions. kinds: those of this history; crons: (expression, misfire, overlap)."""
    judge.most |= {FEW: few, ALONE: 1}

    def make(process: Process, ticks: bool) -> Functions:
        functions = Functions()
        backoff = Backoff(base_ms=500, cap_ms=4_000)

        async def follow(e: Event[Any], step: Step) -> str:
            inside = judge.enter(process, step._delivery, e.data.lane)
            try:
                if e.data.not_before > judge.latest_ms:
                    judge.broken.append(f"event {e.id} came {e.data.not_before - judge.latest_ms} ms early")
                for number, word in enumerate(e.data.words):
                    await _obey(judge, step, f"{number}-{word.split()[0]}", *word.split())
                return "done"
            finally:
                judge.leave(inside)

        async def echo(e: Event[Echo], step: Step) -> None:
            judge.saw_value(step.key, "echo", await step.run("echo", judge.act))
            if e.data.not_before > judge.latest_ms:
                judge.broken.append(f"event {e.id} came {e.data.not_before - judge.latest_ms} ms early")

        async def tick(e: Event[Tick], step: Step) -> None:
            judge.saw_value(step.key, "tick", await step.run("tick", judge.act))

        define = partial(functions.function, retries=RETRIES, backoff=backoff)
        lane = Limit(few, key=lambda e: str(e.data.lane))
        alone = Limit(1, key=lambda e: str(e.data.lane))
        if FREE in kinds:
            define(FREE, on=[event(Job)], awaits=[Answer])(follow)
        if FEW in kinds:
            define(FEW, on=[event(Job)], concurrency=lane, awaits=[Answer])(follow)
        if ALONE in kinds:
            define(ALONE, on=[event(Lone)], exclusive=alone, awaits=[Answer])(follow)
        define(ECHO, on=[event(Echo)])(echo)
        for number, (expression, misfire, overlap) in enumerate(crons if ticks else []):
            on = [cron(expression, misfire=misfire, overlap=overlap)]  # type: ignore[arg-type]  # drawn from the literals
            define(f"{TICK}{number}", on=on)(tick)
        return functions

    return make


async def _obey(judge: Judge, step: Step, name: str, word: str, number: str = "0", key: str = "") -> None:
    match word:
        case "wait":
            answer = await step.wait_for_event(name, Answer, match={"key": key}, timeout=float(number))
            judge.waited(step._delivery, name, key, answer is not None)
        case "run":
            judge.saw_value(step.key, name, await step.run(name, judge.act))
        case "work":

            async def work() -> int:
                await anyio.sleep(float(number))
                return judge.act()

            judge.saw_value(step.key, name, await step.run(name, work))
        case "sleep":
            await step.sleep(name, float(number))
            judge.woke(step._delivery, name)
        case "send":
            delay = float(number)
            not_before = step.now_ms + round(delay * 1000) if delay else 0
            # The instant is journaled with the step: a later begin must not say another one.
            not_before = await step.run(f"{name}-when", lambda: not_before)
            await step.send_event(name, Echo(said_by=step.key, not_before=not_before), at_ms=not_before)
        case "fail":
            if step.attempt < int(number):
                raise OSError(f"attempt {step.attempt} fails, as {name} wishes")
        case _:
            raise Reject("as the event wishes")
