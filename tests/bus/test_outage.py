"""The store goes away and comes back: an outage is not a death, and nothing runs twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from joelclaw_bus import Publisher, StoreSettings, open_store
from tests.support.processes import Workers
from tests.support.server import Server
from tests.support.worker_process import Job

pytestmark = pytest.mark.slow


@pytest.fixture
def workers(own_server: Server, tmp_path: Path) -> Iterator[Workers]:
    started = Workers(own_server.url, tmp_path / "ledger")
    yield started
    started.stop()


@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_a_store_that_is_away_for_two_seconds_causes_no_takeover(
    workers: Workers, own_server: Server, how: str
) -> None:
    workers.start()
    workers.start()
    async with open_store(StoreSettings(own_server.url)) as store:
        for n in range(6):
            await Publisher(store).send(Job(name=f"long-{n}", do="wait", seconds=6))
    await workers.wait(6, act="two")
    if how == "frozen":
        own_server.send(signal.SIGSTOP)
        await anyio.sleep(2.2)
        own_server.send(signal.SIGCONT)
    else:
        own_server.stop()
        await anyio.sleep(2)
        own_server.start()
    await workers.wait(6, fact="RunEnded")
    assert not workers.where(fact="TakenOver")
    assert len(workers.where(act="two")) == 6
    assert not workers.where(fact="WriteRefused")


async def test_who_was_frozen_with_the_others_lets_them_renew_first(workers: Workers, own_server: Server) -> None:
    """A paused machine: its clocks go on, and every lease has run out when it wakes."""
    first, second = workers.start(), workers.start()
    async with open_store(StoreSettings(own_server.url)) as store:
        for n in range(16):  # as many as both have room for: no read is under way whose time-out would tell
            await Publisher(store).send(Job(name=f"long-{n}", do="wait", seconds=10))
    await workers.wait(16, act="two")
    await anyio.sleep(2.2)  # so that both have been there for a lease, and may take over
    for process in (first, second):
        process.send_signal(signal.SIGSTOP)
    await anyio.sleep(3)
    for process in (first, second):
        process.send_signal(signal.SIGCONT)
        await anyio.sleep(0.4)  # who wakes first finds the other one's leases run out
    await workers.wait(16, fact="RunEnded")
    assert not workers.where(fact="TakenOver")
    assert len(workers.where(act="two")) == 16


async def test_after_a_restart_of_everything_what_waits_still_happens(workers: Workers, own_server: Server) -> None:
    async with open_store(StoreSettings(own_server.url)) as store:
        due = await store.time_ms() + 3_000
        await Publisher(store).send(Job(name="later"), at_ms=due)
    worker = workers.start()
    await workers.wait(started=True)
    worker.kill()
    own_server.stop()
    own_server.start()
    workers.start()
    ended = await workers.wait(fact="RunEnded")
    assert ended[0]["at"] * 1000 >= due - 1
