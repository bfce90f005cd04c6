"""The publisher process: `python -m tests.chaos.publisher URL LEDGER SEED RUNS PER_SECOND POISONS`.

It keeps what was not acknowledged and sends it again under its id, until the store has said yes: that is its part of
the promise. What was acknowledged stands in the ledger.

Each line on its standard input says how many it may have sent by now, so that no round of faults is without load.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio

from joelclaw_bus import Publisher, Store, StoreRefused, StoreSettings, StoreUnavailable, open_store
from tests.chaos.ledger import Ledger
from tests.chaos.load import Answer, Job, job_of

T = TypeVar("T")
HANDS = 8
AGAIN = 0.05


async def send(store: Store, publisher: Publisher, ledger: Ledger, id: str, job: Job, delay: float) -> None:
    """One job, until it is acknowledged; due after `delay` seconds of the server's clock."""
    due = 0
    if delay:
        due = await insist(store.time_ms) + round(delay * 1000)
        job = job.model_copy(update={"due": due})
    published = await insist(lambda: publisher.send(job, id=id, at_ms=due))
    ledger.write("acked", id=id, kind=job.kind, entry=published.entry, twice=published.duplicate)


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """Again and again until the store says yes: what is sent has an id, so it is appended once."""
    while True:
        try:
            return await call()
        except (StoreUnavailable, StoreRefused):
            await anyio.sleep(AGAIN)


class Allowance:
    """How many events may have been sent by now."""

    def __init__(self) -> None:
        self._most, self._more = 0, anyio.Event()

    async def listen(self) -> None:
        while True:
            await anyio.wait_readable(sys.stdin)
            told = os.read(sys.stdin.fileno(), 4096).split()  # a line is written at once, so it is read whole
            if not told:
                return
            self._most = int(told[-1])
            self._more.set()
            self._more = anyio.Event()

    async def reach(self, number: int) -> None:
        while number >= self._most:
            await self._more.wait()


async def main(url: str, path: Path, seed: int, runs: int, per_second: float, poisons: int) -> None:
    ledger = Ledger(path)
    began = anyio.current_time()
    numbers, allowance = iter(range(runs)), Allowance()
    poisonous = {round((n + 0.3) * runs / (poisons + 0.3)) for n in range(poisons)}
    async with open_store(StoreSettings(url, deadline=2.0)) as store:
        publisher = Publisher(store, source="chaos")

        async def hand() -> None:
            for number in numbers:
                await allowance.reach(number)
                await anyio.sleep(max(0.0, began + number / per_second - anyio.current_time()))
                id, job, delay = job_of(number, seed, newer=number % 2 == 1)
                if job.kind == "waits":  # its answer comes up to a few seconds before or after it
                    lead = random.Random(f"{seed}:{number}:answer").uniform(-3.0, 3.0)
                    at = await insist(store.time_ms) + round(lead * 1000) if lead > 0 else 0
                    await insist(partial(publisher.send, Answer(to=id), id=f"answer-{id}", at_ms=at))
                    await anyio.sleep(max(0.0, -lead) / 10)
                await send(store, publisher, ledger, id, job, delay)
                if number in poisonous:
                    await send(store, publisher, ledger, f"poison-{number}", Job(kind="poison"), 0)

        async with anyio.create_task_group() as listening:
            listening.start_soon(allowance.listen)
            async with anyio.create_task_group() as hands:
                for _ in range(HANDS):
                    hands.start_soon(hand)
            listening.cancel_scope.cancel()
    ledger.write("published", runs=runs)


if __name__ == "__main__":
    url, path, *numbers = sys.argv[1:]
    seed, runs, per_second, poisons = numbers
    anyio.run(main, url, Path(path), int(seed), int(runs), float(per_second), int(poisons))
