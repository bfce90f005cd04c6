"""The stopwatch: the same rows, timed in the same way, for whatever runs jobs. Standard library only.

Each bus is adapted by one small file that says how it sends and how it works (`Bus`), and runs as a program in its own
environment: `PYTHON -m bench.peers.on_NAME ROW --url URL --count N …`. One JSON object on stdout answers.

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
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from bench.peers.killing import held, interrupted
from bench.peers.stopwatch import (
    DEADLINE,
    PAYLOAD,
    SENDERS,
    Answer,
    Ask,
    Bus,
    Handle,
    Tally,
    child,
    line_of,
    tell,
    until,
    warm,
    working,
)

__all__ = [
    "DEADLINE",
    "PAYLOAD",
    "SENDERS",
    "Answer",
    "Ask",
    "Bus",
    "Handle",
    "Tally",
    "line_of",
    "main",
    "tell",
    "until",
    "working",
]

LATER = 7_200.0


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
    more: Mapping[str, Callable[[Bus, Ask], Awaitable[Answer]]] = MappingProxyType({}),
) -> None:
    """The program of an adapter. `more`: rows that only it has."""
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
