"""The row `lanes`: a stream drained by some worker processes, and what a run takes of their processors and the store's.

The parent fills the stream, starts the lanes, and lets them all begin at once; it sees by the group's own numbers when
nothing is left. A lane says when its first and its last run were, and what it took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from bench import bus_rows
from bench.peers import probe
from joelclaw_bus import Store

GO = b"go\n"


async def lane(bus: probe.Bus, ask: probe.Ask) -> probe.Answer:
    """One worker process: ready, go, and at the end of its input the sum."""
    runs, first, last = 0, 0.0, 0.0

    async def handle(number: int, sent: float) -> None:
        nonlocal runs, first, last
        runs, last = runs + 1, time.monotonic()
        first = first or last

    probe.tell({"ready": True})
    await asyncio.to_thread(sys.stdin.readline)
    cpu = time.process_time()
    async with probe.working(bus, handle):
        await asyncio.to_thread(sys.stdin.read)
        cpu = time.process_time() - cpu
    return {"runs": runs, "first": first, "last": last, "cpu": cpu}


async def lanes(bus: probe.Bus, ask: probe.Ask) -> probe.Answer:
    store = bus_rows.store_of(bus)
    await bus.send_all((n, 0.0) for n in range(ask.count))
    words = [sys.executable, "-m", "bench.on_bus", "lane", "--url", ask.url, "--parallel", str(ask.parallel)]
    pipe = asyncio.subprocess.PIPE
    at_work = [await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe) for _ in range(ask.lanes)]
    try:
        for process in at_work:
            await probe.line_of(process)
        before = await store_seconds(store)
        for process in at_work:
            assert process.stdin
            process.stdin.write(GO)
        async with asyncio.timeout(probe.DEADLINE):
            while not await drained(store):  # noqa: ASYNC110  it is the store's, and has no event
                await asyncio.sleep(0.02)
        store_cpu = await store_seconds(store) - before
        told = [json.loads((await process.communicate(b""))[0]) for process in at_work]
    finally:
        for process in at_work:
            if process.returncode is None:
                process.kill()
                await process.wait()
    runs, busy = sum(t["runs"] for t in told), [t for t in told if t["runs"]]
    return {
        "per_second": runs / (max(t["last"] for t in busy) - min(t["first"] for t in busy)),
        "worker_us": sum(t["cpu"] for t in told) / runs * 1e6,
        "store_us": store_cpu / runs * 1e6,
        "count": ask.count,
        "lost": max(0, ask.count - runs),
        "doubled": max(0, runs - ask.count),
    }


async def drained(store: Store) -> bool:
    """Whether the group has read all there is, and acknowledged it."""
    groups: list[list[Any]] = await store.call("XINFO", "GROUPS", "bench/job")
    facts = [dict(zip(g[::2], g[1::2], strict=True)) for g in groups]
    return bool(facts) and all(f[b"pending"] == 0 and f[b"lag"] == 0 for f in facts)


async def store_seconds(store: Store) -> float:
    told = (await store.call("INFO", "cpu")).decode().split()
    return sum(float(line.partition(":")[2]) for line in told if line.startswith(("used_cpu_user:", "used_cpu_sys:")))


ROWS = {f.__name__: f for f in (lane, lanes)}
