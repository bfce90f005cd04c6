"""Rows that only this bus has, and those of its store alone.

| row        | what is timed or counted                                                                          |
|------------|---------------------------------------------------------------------------------------------------|
| raw        | redis-py, blocking: XREADGROUP COUNT 100 and one XACK for the hundred, over the same entries       |
| raw_xadd   | redis-py's asyncio client, one XADD after the other, the same fields                              |
| one_by_one | `Publisher.send` with an id, one after the other                                                  |
| by_64      | the same by 64 callers at once                                                                    |
| batches    | `Publisher.send_many`, 500 events with ids a batch, one batch after the other                      |
| due_bytes  | the store's memory for events that wait for their time, with a payload of 200 bytes                |
| run_bytes  | the same for runs of such events, each parked behind one recorded step: beyond the events, and all |
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import ClassVar

import anyio
import redis
import redis.asyncio

from bench.peers import probe
from joelclaw_bus import Event, Functions, Publisher, Step, Store, ToSend, Worker, event
from joelclaw_contracts import EventModel
from joelclaw_pod.metrics import Metrics

HOUR = 3600
BYTES = 200
BATCH = 500


class Job(EventModel):
    event_name: ClassVar[str] = "bench/job"

    number: int
    sent: float = 0.0
    text: str = probe.PAYLOAD


class Padded(EventModel):
    event_name: ClassVar[str] = "bench/padded"

    text: str

    @classmethod
    def of(cls, size: int) -> Padded:
        """With a payload of so many bytes."""
        return cls(text="x" * (size - len(cls(text="").to_json())))


async def raw(bus: probe.Bus, ask: probe.Ask, began: Callable[[], None] = lambda: None) -> probe.Answer:
    await bus.send_all((n, 0.0) for n in range(ask.count))
    began()
    return await asyncio.to_thread(read_raw, ask)


def read_raw(ask: probe.Ask) -> probe.Answer:
    with redis.Redis.from_url(ask.url, protocol=2) as client:
        client.xgroup_create("bench/job", "raw", "0")
        started, read = time.perf_counter(), 0
        while read < ask.count:
            answer = client.xreadgroup("raw", "c", {"bench/job": ">"}, count=100)
            entries = [entry for entry, _ in answer[0][1]]
            client.xack("bench/job", "raw", *entries)
            read += len(entries)
        return {"per_second": read / (time.perf_counter() - started), "count": read, "lost": ask.count - read}


async def raw_xadd(bus: probe.Bus, ask: probe.Ask) -> probe.Answer:
    data = b'{"number":1,"sent":0.0,"text":"' + probe.PAYLOAD.encode() + b'"}'
    client = redis.asyncio.Redis.from_url(ask.url, protocol=2)
    try:
        started = time.perf_counter()
        for number in range(ask.count):
            await client.xadd("bench/job", {"data": data, "id": f"job-{number}", "source": "bench"})
        took = time.perf_counter() - started
        return {"per_second": ask.count / took, **await appended(client, ask)}
    finally:
        await client.aclose()


async def one_by_one(bus: probe.Bus, ask: probe.Ask) -> probe.Answer:
    started = time.perf_counter()
    for number in range(ask.count):
        await bus.send(number)
    return await published(ask, started)


async def by_64(bus: probe.Bus, ask: probe.Ask) -> probe.Answer:
    started = time.perf_counter()
    await bus.send_all((n, 0.0) for n in range(ask.count))
    return await published(ask, started)


async def batches(bus: probe.Bus, ask: probe.Ask) -> probe.Answer:
    publisher = Publisher(store_of(bus), source="bench")
    started = time.perf_counter()
    for first in range(0, ask.count, BATCH):
        numbers = range(first, min(first + BATCH, ask.count))
        await publisher.send_many([ToSend(Job(number=n), id=f"job-{n}") for n in numbers])
    return await published(ask, started)


async def published(ask: probe.Ask, started: float) -> probe.Answer:
    took = time.perf_counter() - started
    client = redis.asyncio.Redis.from_url(ask.url, protocol=2)
    try:
        return {"per_second": ask.count / took, **await appended(client, ask)}
    finally:
        await client.aclose()


async def appended(client: redis.asyncio.Redis, ask: probe.Ask) -> probe.Answer:
    """By the stream's own count: nothing is taken for published that does not lie there."""
    lies = int(await client.xlen("bench/job"))
    return {"count": ask.count, "lost": max(0, ask.count - lies), "doubled": max(0, lies - ask.count)}


async def due_bytes(bus: probe.Bus, ask: probe.Ask) -> probe.Answer:
    store = store_of(bus)
    before = await memory(store)
    await send_padded(store, ask, at_ms=await store.time_ms() + HOUR * 1000)
    used = await memory(store) - before
    slot = store.keys.slot(Padded.event_name)
    waiting = int(await store.call("ZCARD", slot.due))
    return {"bytes": used / ask.count, "count": ask.count, "lost": ask.count - waiting}


async def run_bytes(bus: probe.Bus, ask: probe.Ask) -> probe.Answer:
    store, functions, rested = store_of(bus), Functions(), probe.Tally(ask.count)

    async def act() -> int:
        return 1

    @functions.function("bench/park", on=[event(Padded)], retries=1)
    async def park(e: Event[Padded], step: Step) -> None:
        await step.run("before", act)
        await rested.plain(len(rested.handled), 0.0)
        await step.sleep("rest", HOUR)

    slot = store.keys.slot(Padded.event_name)
    empty = await memory(store)
    await send_padded(store, ask)
    before = await memory(store)
    worker = Worker(store, functions, observer=Metrics())
    stop = anyio.Event()
    turning = asyncio.create_task(worker.run(stop=stop))
    whole = await rested.wait()
    async with asyncio.timeout(probe.DEADLINE):
        while whole and int(await store.call("ZCARD", slot.due)) < ask.count:  # noqa: ASYNC110  the store's
            await asyncio.sleep(0.05)
    stop.set()
    await turning
    used, parked = await memory(store), int(await store.call("ZCARD", slot.due))
    bytes_each = {"bytes": (used - before) / ask.count, "with_event_bytes": (used - empty) / ask.count}
    return {**bytes_each, "count": ask.count, "lost": ask.count - parked}


ROWS = {f.__name__: f for f in (raw, raw_xadd, one_by_one, by_64, batches, due_bytes, run_bytes)}


def store_of(bus: probe.Bus) -> Store:
    store = bus.store  # type: ignore[attr-defined]  # these rows are played with ThisBus alone, which has one
    assert isinstance(store, Store)
    return store


async def send_padded(store: Store, ask: probe.Ask, at_ms: int = 0) -> None:
    publisher, numbers, what = Publisher(store), iter(range(ask.count)), Padded.of(BYTES)

    async def caller() -> None:
        for number in numbers:
            await publisher.send(what, id=f"p-{number}", at_ms=at_ms)

    await asyncio.gather(*(caller() for _ in range(probe.SENDERS)))


async def memory(store: Store) -> int:
    """All that the store has allocated, bytes: at so many keys its clients and its log's buffer are lost in the sum."""
    told = (await store.call("INFO", "memory")).decode().split()
    return next(int(line.partition(":")[2]) for line in told if line.startswith("used_memory:"))
