"""Ready means that work can be done: a worker on a store that is dead, read-only or full says so, until it is not."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from joelclaw_bus import Event, Functions, Step, StoreSettings, Worker, WorkerSettings, event, open_store
from joelclaw_bus.observer import StoreBack, StoreTrouble
from tests.bus.test_worker import Greeted
from tests.support.seen import Seen
from tests.support.server import Server

pytestmark = pytest.mark.slow


@asynccontextmanager
async def at_work(server: Server) -> AsyncIterator[tuple[Worker, Seen]]:
    functions, seen, stop = Functions(), Seen(), anyio.Event()

    @functions.function("test/greet", on=[event(Greeted)], retries=1)
    async def greet(e: Event[Greeted], step: Step) -> None:
        return None

    settings = WorkerSettings(lease_ms=1_000, block=0.2, chores=0.3)
    async with open_store(StoreSettings(server.url, deadline=0.5)) as store, anyio.create_task_group() as tasks:
        worker = Worker(store, functions, settings, observer=seen)

        async def run() -> None:
            await worker.run(stop=stop, grace=1)

        tasks.start_soon(run)
        await until(lambda: worker.health().ready)
        yield worker, seen
        stop.set()


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not holds():  # noqa: ASYNC110  health is asked for, it tells nobody
            await anyio.sleep(0.02)


async def stays_red(worker: Worker, looks: int) -> None:
    """Red at every look, not only at the first."""
    await until(lambda: not worker.health().ready)
    for _ in range(looks):
        assert not worker.health().ready
        await anyio.sleep(0.05)


@pytest.mark.parametrize("how", ["frozen", "full", "read-only"])
async def test_a_store_that_can_t_be_worked_with_is_red_all_the_while_and_one_spell(
    own_server: Server, how: str
) -> None:
    async with at_work(own_server) as (worker, seen):
        if how == "frozen":
            own_server.send(signal.SIGSTOP)
        else:
            settings = {"full": ("maxmemory", "1mb"), "read-only": ("min-replicas-to-write", "1")}[how]
            with own_server.client() as client:
                client.config_set(*settings)
        await stays_red(worker, looks=60)
        assert worker.health().reasons
        if how == "frozen":
            own_server.send(signal.SIGCONT)
        else:
            with own_server.client() as client:
                client.config_set(settings[0], "0")
        await until(lambda: worker.health().ready)
        await seen.wait(StoreBack)
    assert (len(seen.all(StoreTrouble)), len(seen.all(StoreBack))) == (1, 1)
