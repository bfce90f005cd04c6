"""The stopwatch: the same rows, timed in the same way, for whatever runs jobs. Standard library only.

Each bus is adapted by one small file that says how it sends and how it works (`Bus`), and runs as a program in its own
environment: `PYTHON on_NAME.py ROW --url URL --count N …`. One JSON object on stdout answers.

| row         | what is timed                                                                                     |
|-------------|---------------------------------------------------------------------------------------------------|
| drained     | jobs that lie there when one worker starts, until the last handler was called                     |
| idle        | a job from its sending, in another process, to its handler, on a worker that has nothing to do    |
| pending     | nothing: leaves so many jobs there that are due in two hours                                      |
| due         | jobs due at random instants: how late their handlers start                                        |
| instant     | jobs due at one instant: how late the last one starts                                             |
| interrupted | a worker is killed (SIGKILL) with jobs in hand: when the last of them runs again, beside a trickle |
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

SENDERS = 64
PAGE = 1_000
LATER = 7_200.0
PAYLOAD = "x" * 100
DEADLINE = 120.0
"""Seconds after which a row is given up: what has not run by then is told as lost."""

Handle = Callable[[int, float], Awaitable[None]]
Answer = dict[str, object]


@dataclass(frozen=True)
class Ask:
    """What is asked for: `parallel` jobs at once in a worker, a `lease` in seconds where the bus has one."""

    row: str
    url: str
    count: int
    parallel: int = 128
    seconds: float = 6.0
    lease: float = 5.0
    hang: int = 0  # jobs below this number never end
    lanes: int = 1  # worker processes


class Bus:
    """How a bus is spoken to. A job is a number, the moment of its sending, and a hundred bytes of text."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask

    async def open(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def send(self, number: int, *, sent: float = 0.0, at: float = 0.0) -> None:
        """`at`: seconds since the epoch; 0 is now."""
        raise NotImplementedError

    async def send_page(self, jobs: list[tuple[int, float]]) -> None:
        """Numbers, and when they are due. By many callers at once, unless the bus has something faster."""
        waiting = iter(jobs)

        async def caller() -> None:
            for number, at in waiting:
                await self.send(number, at=at)

        await asyncio.gather(*(caller() for _ in range(SENDERS)))

    async def send_all(self, jobs: Iterable[tuple[int, float]]) -> None:
        every = list(jobs)
        for first in range(0, len(every), PAGE):
            await self.send_page(every[first : first + PAGE])

    async def work(self, handle: Handle, stop: asyncio.Event) -> None:
        """Turns one worker until `stop` is set."""
        raise NotImplementedError

    def facts(self) -> Answer:
        """What else a row should answer with."""
        return {}


@dataclass
class Tally:
    """Which jobs of so many were handled, and how late (seconds)."""

    count: int
    due: dict[int, float] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    handled: set[int] = field(default_factory=set)
    doubled: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def plain(self, number: int, sent: float) -> None:
        if number in self.handled:
            self.doubled += 1
            return
        self.handled.add(number)
        if len(self.handled) == self.count:
            self.done.set()

    async def travelled(self, number: int, sent: float) -> None:
        self.late.append(time.monotonic() - sent)
        await self.plain(number, sent)

    async def was_due(self, number: int, sent: float) -> None:
        self.late.append(time.time() - self.due[number])
        await self.plain(number, sent)

    async def wait(self) -> bool:
        """Whether all were handled in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE):
                await self.done.wait()
        return self.done.is_set()

    def counts(self) -> Answer:
        return {"count": self.count, "lost": self.count - len(self.handled), "doubled": self.doubled}

    def lateness(self) -> Answer:
        ms = sorted(late * 1000 for late in self.late) or [float("nan")]
        return {"p50_ms": ms[len(ms) // 2], "p99_ms": ms[int(len(ms) * 0.99)], "last_ms": ms[-1]}


@asynccontextmanager
async def working(bus: Bus, handle: Handle) -> AsyncIterator[None]:
    stop = asyncio.Event()
    worker = asyncio.create_task(bus.work(handle, stop))
    try:
        yield
        if worker.done():
            await worker  # its error
    finally:
        stop.set()
        await worker


async def until(stop: asyncio.Event, work: Coroutine[Any, Any, object]) -> None:
    """For workers that know no stop: turns one, and cancels it when `stop` is set."""
    task, waiter = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    ended = task.done()
    task.cancel()
    waiter.cancel()
    with suppress(asyncio.CancelledError):
        await task
    if ended and not stop.is_set():
        raise RuntimeError("the worker ended though nobody stopped it")


async def drained(bus: Bus, ask: Ask, began: Callable[[], None] = lambda: None) -> Answer:
    """`began` is called when the jobs lie there."""
    await bus.send_all((n, 0.0) for n in range(ask.count))
    tally = Tally(ask.count)
    began()
    started = time.perf_counter()
    async with working(bus, tally.plain):
        whole = await tally.wait()
        took = time.perf_counter() - started
    return {"per_second": ask.count / took if whole else None, **tally.counts(), **bus.facts()}


@asynccontextmanager
async def warm(bus: Bus, ask: Ask, handle: Handle) -> AsyncIterator[None]:
    """A worker that has run one job (of a number below 0, never used before) and has nothing to do."""
    first = asyncio.Event()

    async def either(number: int, sent: float) -> None:
        await handle(number, sent) if number >= 0 else first.set()

    async with working(bus, either):
        await bus.send(-random.randrange(1, 1_000_000_000))
        async with asyncio.timeout(DEADLINE):
            await first.wait()
        yield


async def idle(bus: Bus, ask: Ask) -> Answer:
    tally = Tally(ask.count)
    async with warm(bus, ask, tally.travelled):
        sender = await child("send", ask)
        await tally.wait()
        await sender.wait()
    return {**tally.lateness(), **tally.counts()}


async def send(bus: Bus, ask: Ask) -> Answer:
    """The sender of `idle`: one job after the other, each when the last one is long over."""
    dice = random.Random(1)
    for number in range(ask.count):
        await asyncio.sleep(dice.uniform(0.005, 0.02))
        await bus.send(number, sent=time.monotonic())
    return {}


async def pending(bus: Bus, ask: Ask) -> Answer:
    at = time.time() + LATER
    await bus.send_all((1_000_000 + n, at) for n in range(ask.count))
    return {"count": ask.count}


async def due(bus: Bus, ask: Ask) -> Answer:
    return await _scheduled(bus, ask, random.Random(2))


async def instant(bus: Bus, ask: Ask) -> Answer:
    return await _scheduled(bus, ask, None)


async def _scheduled(bus: Bus, ask: Ask, dice: random.Random | None) -> Answer:
    """All are sent within `seconds`; they are due then, or (with dice) within as long again."""
    base, tally = random.randrange(1_000_000_000), Tally(ask.count)  # numbers that no earlier round had
    async with warm(bus, ask, tally.was_due):
        first = time.time() + ask.seconds
        for n in range(ask.count):
            tally.due[base + n] = first + (dice.uniform(0, ask.seconds) if dice else 0.0)
        await bus.send_all(tally.due.items())
        in_time = time.time() < first
        await tally.wait()
    told = {} if in_time else {"error": f"{ask.count} jobs could not be scheduled within {ask.seconds:g} s"}
    return {**tally.lateness(), **tally.counts(), **told}


async def interrupted(bus: Bus, ask: Ask) -> Answer:
    """The victim hangs in `count` jobs; a second worker stands ready beside it; a trickle of others goes on."""
    victim = await child("held", ask, hang=ask.count)
    begun, again, effects = set[int](), dict[int, float](), list[int]()
    await bus.send_all((n, 0.0) for n in range(ask.count))
    async with asyncio.timeout(DEADLINE):
        while len(begun) < ask.count:
            line = await line_of(victim)
            begun |= {line["begun"]} if "begun" in line and line["begun"] < ask.count else set()
            effects += [line["effect"]] if "effect" in line and line["effect"] < 2 * ask.count else []
    trickle = asyncio.create_task(_trickle(bus))
    second = await child("held", ask)
    try:
        async with asyncio.timeout(DEADLINE):
            while "begun" not in await line_of(second):  # one of the trickle: it works
                pass
        victim.kill()
        killed = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE):
                while len(again) < ask.count:
                    line = await line_of(second)
                    effects += [line["effect"]] if "effect" in line and line["effect"] < 2 * ask.count else []
                    if "begun" in line and line["begun"] < ask.count:
                        again.setdefault(line["begun"], line["at"] - killed)
    finally:
        trickle.cancel()
        for process in (victim, second):
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    repeated, lost = len(effects) - len({*effects}), ask.count - len(again)
    return {"again_s": max(again.values(), default=None), "count": ask.count, "lost": lost, "repeated": repeated}


async def _trickle(bus: Bus) -> None:
    number = 1_000
    while True:
        await bus.send(number)
        number += 1
        await asyncio.sleep(0.1)


async def held(bus: Bus, ask: Ask) -> Answer:
    """The worker of `interrupted`: tells what it begins, and never ends the jobs below `hang`."""

    async def handle(number: int, sent: float) -> None:
        tell({"begun": number, "at": time.monotonic()})
        if number < ask.hang:
            await asyncio.Event().wait()

    async with working(bus, handle):
        await asyncio.Event().wait()
    return {}


def tell(what: Answer) -> None:
    print(json.dumps(what), flush=True)


_command: list[str] = []


async def child(row: str, ask: Ask, *, hang: int = 0) -> asyncio.subprocess.Process:
    """This program again, with another row."""
    words = ["--url", ask.url, "--count", ask.count, "--parallel", ask.parallel, "--lease", ask.lease, "--hang", hang]
    return await asyncio.create_subprocess_exec(*_command, row, *map(str, words), stdout=asyncio.subprocess.PIPE)


async def line_of(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"a worker process ended: exit code {await process.wait()}")
    told: dict[str, Any] = json.loads(line)
    return told


ROWS = {f.__name__: f for f in (drained, idle, send, pending, due, instant, interrupted, held)}


async def play(bus: Bus, ask: Ask, more: Mapping[str, Callable[[Bus, Ask], Awaitable[Answer]]]) -> Answer:
    """One row, once. `more`: rows that only this bus has."""
    rows = {**ROWS, **more}
    await bus.open()
    try:
        return await rows[ask.row](bus, ask)
    finally:
        await bus.close()


def main(
    make: Callable[[Ask], Bus],
    command: list[str] | None = None,
    more: Mapping[str, Callable[[Bus, Ask], Awaitable[Answer]]] = MappingProxyType({}),
) -> None:
    """The program of an adapter. `command` starts it again; `more`: rows that only it has."""
    _command[:] = command or [sys.executable, sys.argv[0]]
    parser = argparse.ArgumentParser()
    parser.add_argument("row", choices=sorted({**ROWS, **more}))
    parser.add_argument("--url", required=True)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--parallel", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--lease", type=float, default=5.0)
    parser.add_argument("--hang", type=int, default=0)
    parser.add_argument("--lanes", type=int, default=1)
    ask = Ask(**vars(parser.parse_args()))
    try:
        from uvloop import run  # type: ignore[import-not-found]  # what most of the peers recommend; where it is installed, it is meant to be used
    except ImportError:
        run = asyncio.run
    tell(run(play(make(ask), ask, more)))
