"""How long a month takes in the test kit: a function that sleeps 30 days, against one that does not, in one process.

    python bench/month.py [ROUNDS]

Each round opens a bus, sends an event, runs its function to the end and closes the bus. Prints one line a figure.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import ClassVar

import anyio

from joelclaw_bus import Event, Functions, Step, event
from joelclaw_bus.testing import TestBus
from joelclaw_contracts import EventModel


class Asked(EventModel):
    event_name: ClassVar[str] = "bench/asked"

    days: int


functions = Functions()


@functions.function("bench/sleep", on=[event(Asked)], retries=1)
async def sleep(e: Event[Asked], step: Step) -> str:
    await step.run("before", lambda: 1)
    if e.data.days:
        await step.sleep("rest", e.data.days * 86_400)
    await step.run("after", lambda: 2)
    return "rested"


async def once(days: int) -> float:
    """Seconds of one round."""
    began = time.perf_counter()
    async with TestBus(functions) as bus:
        await bus.send(Asked(days=days), id="one")
        await (bus.advance(days=days) if days else bus.settle())
        run = await bus.run("bench/sleep", "one")
        if run.status != "completed":
            raise SystemExit(f"the run did not end: {run}")
    return time.perf_counter() - began


async def main(rounds: int) -> None:
    began = time.perf_counter()
    await once(0)  # starts the server
    first = time.perf_counter() - began
    plain, month = [], []
    for _ in range(rounds):
        plain.append(await once(0))
        month.append(await once(30))
    print(f"first bus of a process, server started  {first * 1000:8.1f} ms")
    print(f"a function without a sleep              {median(plain) * 1000:8.1f} ms  (median of {rounds})")
    print(f"a function that sleeps 30 days          {median(month) * 1000:8.1f} ms  (worst {max(month) * 1000:.1f} ms)")
    print(f"ratio                                   {median(month) / median(plain):8.2f}")


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 50)
