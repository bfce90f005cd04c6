"""The row `interrupted`: a worker is killed with jobs in hand; when is the last of them run again?"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from bench.peers.stopwatch import DEADLINE, Answer, Ask, Bus, child, line_of, tell, working


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
