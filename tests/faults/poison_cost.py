"""F12: what the others get done while a poison freezes one process after the other. By hand: `make poison`.

Handlers wait rather than compute, so that a process's share is its places and not the machine's cores.
"""

from __future__ import annotations

from pathlib import Path

import anyio

from joelclaw_bus import Publisher, Store, StoreSettings, open_store
from tests.support.processes import Workers
from tests.support.server import Server
from tests.support.worker_process import Job

PROCESSES, LEASE_MS, CALM = 3, 2_000, 10.0
FLOOR = 0.9


async def main(server: Server, count: int) -> int:
    workers = Workers(server.url, Path(server.directory) / "ledger", lease_ms=LEASE_MS)
    try:
        async with open_store(StoreSettings(server.url, deadline=60)) as store:
            publisher = Publisher(store)
            workers.keep(PROCESSES)
            await workers.wait(PROCESSES, within=60, started=True)
            await _send(publisher, count)
            calm = await _rate(workers, CALM)
            await publisher.send(Job(name="poison", do="interpreter held"))
            began = anyio.current_time()
            before, buried = _ended(workers), 0
            while not buried:
                workers.keep(PROCESSES)
                await anyio.sleep(0.1)
                buried = await _buried(store)
                if await _lag(store) < count // 4:
                    await _send(publisher, count // 2)
            seconds = anyio.current_time() - began
            rate = (_ended(workers) - before) / seconds
    finally:
        workers.stop()
    share = rate / (calm * (PROCESSES - 1) / PROCESSES)
    print(f"poison: {calm:.0f} runs/s by {PROCESSES} processes; {rate:.0f}/s over {seconds:.0f} s with a poison about,")
    print(f"        {share:.0%} of what the others did before (limit {FLOOR:.0%}); {buried} dead letter")
    return int(share < FLOOR or buried != 1)


async def _send(publisher: Publisher, count: int) -> None:
    for n in range(count):
        await publisher.send(Job(name=f"n-{n}", do="wait", seconds=0.2))


async def _rate(workers: Workers, seconds: float) -> float:
    before = _ended(workers)
    await anyio.sleep(seconds)
    return (_ended(workers) - before) / seconds


def _ended(workers: Workers) -> int:
    return workers.ledger.read_bytes().count(b'"fact": "RunEnded"')


async def _buried(store: Store) -> int:
    return int(await store.call("XLEN", store.keys.slot("test/job").dead))


async def _lag(store: Store) -> int:
    [row] = await store.call("XINFO", "GROUPS", "test/job")
    return int(dict(zip(row[::2], row[1::2], strict=True))[b"lag"] or 0)
