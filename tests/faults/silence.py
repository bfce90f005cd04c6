"""F1 at the defaults: how soon silence is seen, and how soon work goes on. By hand: `make silence`."""

from __future__ import annotations

import signal

import anyio

from joelclaw_bus import Publisher, Store, StoreSettings, Worker, open_store
from joelclaw_bus.observer import RunEnded
from tests.faults.everything import Job
from tests.faults.test_silence import until_ready, working
from tests.support.resp_proxy import RespProxy
from tests.support.seen import Seen
from tests.support.server import Server

SEEN_LIMIT, BACK_LIMIT = 15.0, 20.0


async def main(server: Server, frozen_seconds: int) -> int:
    seen, stop, figures = Seen(), anyio.Event(), dict[str, tuple[float, float]]()
    async with (
        RespProxy(server.port) as proxy,
        open_store(StoreSettings(server.url, deadline=60)) as direct,
        open_store(StoreSettings(proxy.url)) as store,
        anyio.create_task_group() as tasks,
    ):
        worker = Worker(store, working(), observer=seen)
        tasks.start_soon(lambda: worker.run(stop=stop, grace=1))
        await until_ready(worker, True)
        began = anyio.current_time()
        proxy.deafen()
        await until_ready(worker, False)
        red = anyio.current_time() - began
        figures["black-holed connections"] = red, await _back(seen, direct, began)
        await until_ready(worker, True)
        began = anyio.current_time()
        server.send(signal.SIGSTOP)
        await until_ready(worker, False)
        red = anyio.current_time()
        await anyio.sleep(max(0.0, frozen_seconds - (red - began)))
        server.send(signal.SIGCONT)
        over = anyio.current_time()
        figures[f"store frozen for {over - began:.0f} s"] = red - began, await _back(seen, direct, over)
        stop.set()
    for what, (red_after, back_after) in figures.items():
        print(f"{what}: red after {red_after:.1f} s (limit {SEEN_LIMIT:.0f}), consuming again after {back_after:.1f} s")
    return int(any(r > SEEN_LIMIT or b > BACK_LIMIT for r, b in figures.values()))


async def _back(seen: Seen, store: Store, since: float) -> float:
    """Seconds until an event that is sent now has ended."""
    ended = len(seen.all(RunEnded))
    await Publisher(store).send(Job(name="after"))
    await seen.wait(RunEnded, ended + 1)
    return anyio.current_time() - since
