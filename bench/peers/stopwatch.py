"""What every row needs: how a bus is spoken to (`Bus`), who counts its jobs (`Tally`), and how its worker is turned.

Standard library only: it runs in the environment of whatever is measured.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

SENDERS = 64
PAGE = 1_000
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


class Bus(ABC):
    """How a bus is spoken to. A job is a number, the moment of its sending, and a hundred bytes of text."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    async def send(self, number: int, *, sent: float = 0.0, at: float = 0.0) -> None:
        """`at`: seconds since the epoch; 0 is now."""

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

    @abstractmethod
    async def work(self, handle: Handle, stop: asyncio.Event) -> None:
        """Turns one worker until `stop` is set."""

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


def tell(what: Answer) -> None:
    print(json.dumps(what), flush=True)


async def child(row: str, ask: Ask, *, hang: int = 0) -> asyncio.subprocess.Process:
    """This program again, with another row."""
    program = sys.modules["__main__"].__spec__
    assert program, "an adapter is started as python -m bench.…"
    words = ["--url", ask.url, "--count", ask.count, "--parallel", ask.parallel, "--lease", ask.lease, "--hang", hang]
    command = [sys.executable, "-m", program.name, row, *map(str, words)]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


async def line_of(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"a worker process ended: exit code {await process.wait()}")
    told: dict[str, Any] = json.loads(line)
    return told
