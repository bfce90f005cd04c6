"""How fast the bus is, beside the limit of its store, in under a minute.

    python -m bench.quick [--runs 6000] [--rounds 3]

One worker in this process with metrics on, a real Valkey of its own (append-only file, a sync a second). Every round
plays each row once, so that a noisy minute of the machine meets all of them; the median counts. The ratios are what to
read. One line of JSON a figure follows the table, for programs.

| row                  | what is timed                                                                            |
|----------------------|------------------------------------------------------------------------------------------|
| raw                  | redis-py, blocking: XREADGROUP COUNT 100 and one XACK for the hundred                    |
| runs without steps   | events with ids that lie there when the worker starts, until the last run has ended      |
| runs of three steps  | the same, each with three recorded steps; 32 of them at once                             |
| raw XADD             | redis-py's asyncio client, one after the other, the same fields                          |
| published one by one | `Publisher.send` with an id, one after the other                                         |
| published by 64      | the same by 64 tasks at once                                                             |
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import anyio
import redis
import redis.asyncio

from joelclaw_bus import Event, Functions, Publisher, Step, StoreSettings, Worker, WorkerSettings, event, open_store
from joelclaw_bus.embedded import EmbeddedSettings, EmbeddedStore
from joelclaw_bus.store import Store
from joelclaw_contracts import EventModel
from joelclaw_pod import collector
from joelclaw_pod.metrics import Metrics

SENDERS = 64
REACH = {
    "runs without steps": ("raw", 0.35),
    "published one by one": ("raw XADD", 0.55),
    "runs of three steps": ("", 3_000.0),
    "published by 64": ("", 30_000.0),
}
"""What is to be reached: a ratio to another row, or ('') a figure a second."""


class Job(EventModel):
    event_name: ClassVar[str] = "bench/job"

    number: int
    text: str = "x" * 100


@dataclass
class Countdown:
    """`done` is set when so many runs came to their end."""

    left: int
    done: anyio.Event = field(default_factory=anyio.Event)

    def one(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.done.set()


async def fill(store: Store, runs: int) -> None:
    """So many events, as a producer of this suite sends them."""
    publisher = Publisher(store, source="bench")

    async def share(first: int) -> None:
        for number in range(first, runs, SENDERS):
            await publisher.send(Job(number=number), id=f"job-{number}")

    async with anyio.create_task_group() as tasks:
        for first in range(SENDERS):
            tasks.start_soon(share, first)


async def drained(url: str, runs: int, functions: Functions, countdown: Countdown, parallel: int) -> float:
    """Runs a second, from the worker's start to the end of the last run."""
    async with open_store(StoreSettings(url)) as store, anyio.create_task_group() as tasks:
        await fill(store, runs)
        stop = anyio.Event()
        worker = Worker(store, functions, WorkerSettings(parallel=parallel), observer=Metrics())
        started = time.perf_counter()

        async def work() -> None:
            await worker.run(stop=stop)

        tasks.start_soon(work)
        await countdown.done.wait()
        took = time.perf_counter() - started
        stop.set()
    return runs / took


async def without_steps(url: str, runs: int) -> float:
    functions, countdown = Functions(), Countdown(runs)

    @functions.function("bench/plain", on=[event(Job)], retries=1)
    async def plain(e: Event[Job], step: Step) -> None:
        countdown.one()

    return await drained(url, runs, functions, countdown, parallel=128)


async def three_steps(url: str, runs: int) -> float:
    functions, countdown = Functions(), Countdown(runs // 3)

    async def act() -> int:
        return 1

    @functions.function("bench/steps", on=[event(Job)], retries=1)
    async def steps(e: Event[Job], step: Step) -> None:
        for name in ("one", "two", "three"):
            await step.run(name, act)
        countdown.one()

    return await drained(url, runs // 3, functions, countdown, parallel=32)


async def raw(url: str, runs: int) -> float:
    """The same entries, read and acknowledged with nothing in between."""
    async with open_store(StoreSettings(url)) as store:
        await fill(store, runs)
    with redis.Redis.from_url(url, protocol=2) as client:
        client.xgroup_create(Job.event_name, "raw", "0")
        started, read = time.perf_counter(), 0
        while read < runs:
            answer = client.xreadgroup("raw", "c", {Job.event_name: ">"}, count=100)
            entries = [entry for entry, _ in answer[0][1]]
            client.xack(Job.event_name, "raw", *entries)
            read += len(entries)
        return runs / (time.perf_counter() - started)


async def raw_xadd(url: str, runs: int) -> float:
    data = Job(number=1).to_json()
    client = redis.asyncio.Redis.from_url(url, protocol=2)
    try:
        started = time.perf_counter()
        for number in range(runs // 2):
            await client.xadd(Job.event_name, {"data": data, "id": f"job-{number}", "source": "bench"})
        return (runs // 2) / (time.perf_counter() - started)
    finally:
        await client.aclose()


async def one_by_one(url: str, runs: int) -> float:
    async with open_store(StoreSettings(url)) as store:
        publisher = Publisher(store, source="bench")
        started = time.perf_counter()
        for number in range(runs // 2):
            await publisher.send(Job(number=number), id=f"job-{number}")
        return (runs // 2) / (time.perf_counter() - started)


async def by_many(url: str, runs: int) -> float:
    async with open_store(StoreSettings(url)) as store:
        started = time.perf_counter()
        await fill(store, runs)
        return runs / (time.perf_counter() - started)


ROWS: dict[str, Callable[[str, int], Awaitable[float]]] = {
    "raw": raw,
    "runs without steps": without_steps,
    "runs of three steps": three_steps,
    "raw XADD": raw_xadd,
    "published one by one": one_by_one,
    "published by 64": by_many,
}


def measure(runs: int, rounds: int) -> dict[str, float]:
    """Medians, a second."""
    seen: dict[str, list[float]] = {name: [] for name in ROWS}
    with tempfile.TemporaryDirectory(prefix="joelclaw-bench-") as folder:
        store = EmbeddedStore(EmbeddedSettings(Path(folder), port=0))
        store.start()
        try:
            with redis.Redis.from_url(store.url) as client:
                for _ in range(rounds):
                    for name, row in ROWS.items():
                        client.flushall()  # a server of our own, in a folder of our own
                        seen[name].append(anyio.run(row, store.url, runs))
        finally:
            store.stop()
    return {name: statistics.median(figures) for name, figures in seen.items()}


def report(medians: dict[str, float]) -> None:
    print(f"Python {platform.python_version()}, {platform.machine()}; a second, medians\n")
    for name, figure in medians.items():
        base, reach = REACH.get(name, ("", 0.0))
        reached = figure / medians[base] if base else figure
        what = f"{reached:.2f} of {base} (reach {reach:g})" if base else f"reach {reach:,.0f}" if reach else ""
        verdict = "" if not reach else "ok" if reached >= reach else "MISS"
        print(f"{name:<22} {figure:>10,.0f}  {what:<34} {verdict}")
    print()
    for name, figure in medians.items():
        print(json.dumps({"row": name, "per_second": round(figure, 1)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=6_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    collector.calm()  # as a service does
    report(measure(given.runs, given.rounds))


if __name__ == "__main__":
    main()
