"""Answers sent from ten seconds before to ten seconds after their run begins to wait: is every one matched, once, and
how soon does the run go on?

    python -m bench.waits [--trials 10000] [--rate 100] [--seed 1]

One worker and one publisher in this process, a real Valkey of its own. Prints one line a figure, and ends with 1 when
an answer was lost or doubled, or the slowest hundredth took longer than 100 ms.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

import anyio

from bench.own_store import own_store
from joelclaw_bus import Event, Functions, Publisher, Step, StoreSettings, Worker, event, open_store
from joelclaw_contracts import EventModel

SPREAD = 10.0
MARGIN = 2.0
"""Seconds by which the look back reaches beyond the earliest answer: a question may wait that long for its turn."""
LIMIT_MS = 100.0


class Asked(EventModel):
    event_name: ClassVar[str] = "bench/asked"

    number: int


class Answered(EventModel):
    event_name: ClassVar[str] = "bench/answered"

    number: int


@dataclass
class Book:
    """When each answer was acknowledged and each run went on; monotonic seconds."""

    offset: dict[int, float] = field(default_factory=dict)
    sent: dict[int, float] = field(default_factory=dict)
    resumed: dict[int, float] = field(default_factory=dict)
    ends: Counter[int] = field(default_factory=Counter)
    wrong: list[int] = field(default_factory=list)
    changed: anyio.Event = field(default_factory=anyio.Event)


def functions_of(book: Book) -> Functions:
    functions = Functions()

    @functions.function("bench/wait", on=[event(Asked)], retries=1, awaits=[Answered])
    async def wait(e: Event[Asked], step: Step) -> None:
        number = e.data.number
        match = {"number": number}
        answer = await step.wait_for_event("answer", Answered, match=match, timeout=60, look_back=SPREAD + MARGIN)
        book.resumed.setdefault(number, time.monotonic())
        book.ends[number] += 1
        if answer is None or answer.data.number != number:
            book.wrong.append(number)
        book.changed.set()
        book.changed = anyio.Event()

    return functions


async def trial(publisher: Publisher, book: Book, number: int) -> None:
    async def ask() -> None:
        await publisher.send(Asked(number=number), id=f"q{number}")

    async def answer() -> None:
        await publisher.send(Answered(number=number), id=f"a{number}")
        book.sent[number] = time.monotonic()

    offset = book.offset[number]
    first, second = (answer, ask) if offset < 0 else (ask, answer)
    await first()
    await anyio.sleep(abs(offset))
    await second()


async def play(url: str, book: Book, trials: int, rate: float) -> None:
    async with open_store(StoreSettings(url)) as store:
        publisher, stop = Publisher(store), anyio.Event()
        async with anyio.create_task_group() as tasks:

            async def work() -> None:
                await Worker(store, functions_of(book)).run(stop=stop)

            tasks.start_soon(work)
            async with anyio.create_task_group() as senders:
                for number in range(trials):
                    senders.start_soon(trial, publisher, book, number)
                    await anyio.sleep(1 / rate)
            with anyio.move_on_after(90):
                while len(book.ends) < trials:
                    await book.changed.wait()
            stop.set()


def report(book: Book, trials: int) -> bool:
    """Prints the figures; whether all are as they should be."""
    lost = trials - len(book.ends)
    doubled = sum(1 for n in book.ends.values() if n > 1)
    later = [n for n in book.resumed if book.offset[n] > 1.0]  # the run waits already when its answer is sent
    took = sorted((book.resumed[n] - book.sent[n]) * 1000 for n in later)
    p50, p99 = (took[int(len(took) * q)] if took else float("nan") for q in (0.5, 0.99))
    rows = [
        ("answers lost", float(lost), 0.0),
        ("runs that ended twice", float(doubled), 0.0),
        ("runs with another's answer, or none", float(len(book.wrong)), 0.0),
        ("resumed, ms, p99", p99, LIMIT_MS),
    ]
    print(f"{trials} trials, {len(later)} of them answered more than a second after the question; p50 {p50:.1f} ms")
    for name, figure, limit in rows:
        print(f"{name:<40} {figure:>10.1f}  (limit {limit:g})  {'ok' if figure <= limit else 'MISS'}")
    return all(figure <= limit for _, figure, limit in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=50.0, help="questions a second")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    dice = random.Random(given.seed)
    book = Book(offset={n: dice.uniform(-SPREAD, SPREAD) for n in range(given.trials)})
    with own_store() as own:
        anyio.run(play, own.url, book, given.trials, given.rate)
    return 0 if report(book, given.trials) else 1


if __name__ == "__main__":
    sys.exit(main())
