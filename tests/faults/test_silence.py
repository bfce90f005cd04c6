"""F1: connections that were dropped without a word, while new ones work: seen, red meanwhile, and left behind."""

from __future__ import annotations

import anyio
import pytest

from joelclaw_bus import (
    Event,
    Functions,
    Publisher,
    Step,
    StoreSettings,
    StoreUnavailable,
    Worker,
    WorkerSettings,
    event,
    open_store,
)
from joelclaw_bus.observer import RunEnded, StoreBack, StoreTrouble, Stuck
from joelclaw_bus.store import Listener
from tests.faults.everything import Job
from tests.support.resp_proxy import RespProxy
from tests.support.seen import Seen
from tests.support.server import Server


def working() -> Functions:
    functions = Functions()

    @functions.function("test/work", on=[event(Job)], retries=1)
    async def work(e: Event[Job], step: Step) -> None:
        return None

    return functions


async def until_ready(worker: Worker, wanted: bool) -> None:
    with anyio.fail_after(60):
        while worker.health().ready is not wanted:  # noqa: ASYNC110 - health is asked for, it tells nobody
            await anyio.sleep(0.01)


async def test_connections_that_fell_silent_are_left_behind_without_a_restart(one_server: Server) -> None:
    """All of them: the readers', the commands', the renewal's and the subscription's."""
    seen, stop = Seen(), anyio.Event()
    settings = WorkerSettings(lease_ms=1_000, block=0.2, chores=0.3)
    async with (
        RespProxy(one_server.port) as proxy,
        open_store(StoreSettings(one_server.url, deadline=30)) as direct,
        open_store(StoreSettings(proxy.url, deadline=0.5)) as store,
        anyio.create_task_group() as tasks,
    ):
        worker = Worker(store, working(), settings, observer=seen)
        tasks.start_soon(lambda: worker.run(stop=stop, grace=1))
        await until_ready(worker, True)
        assert proxy.deafen() >= 3
        await until_ready(worker, False)
        await Publisher(direct).send(Job(name="after"))
        await seen.wait(RunEnded)
        await until_ready(worker, True)
        await seen.wait(StoreBack)
        # The subscription too: what is said on the channel is heard, else what is due would be found by sweeps alone.
        with anyio.fail_after(60):
            while not [f for f in seen.all(Stuck) if f.what == "nudges"]:
                await direct.call("PUBLISH", direct.keys.nudges, "no nudge")
                await anyio.sleep(0.05)
        stop.set()
    assert len(seen.all(StoreTrouble)) == len(seen.all(StoreBack))


async def test_a_silent_subscription_is_asked_and_left_and_a_quiet_one_is_kept(one_server: Server) -> None:
    async with (
        RespProxy(one_server.port) as proxy,
        open_store(StoreSettings(proxy.url, deadline=0.2)) as store,
        store.listener("quiet") as quiet,
    ):
        for _ in range(20):
            assert await quiet.next(timeout=0.05) is None
        proxy.deafen()
        with pytest.raises(StoreUnavailable, match="is silent, a PING too"):
            await _listen_for_ever(quiet)


async def _listen_for_ever(listener: Listener) -> None:
    with anyio.fail_after(60):
        while True:
            await listener.next(timeout=0.05)
