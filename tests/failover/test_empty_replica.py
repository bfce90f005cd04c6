"""F7: a failover to a replica that has nothing. Groups and streams are gone: work resumes, and the loss is told."""

from __future__ import annotations

import signal

import anyio

from joelclaw_bus import Publisher, StoreRefused, StoreSettings, StoreUnavailable, open_store
from joelclaw_bus.observer import Discontinuity, RunEnded, StreamLost
from tests.failover.test_cluster import doing
from tests.support.replicated import Sentinels
from tests.support.worker_process import Job
from tests.support.workers import working


async def test_a_failover_to_an_empty_replica_is_survived_and_told(sentinels: Sentinels) -> None:
    """The primary dies, and the one that takes its place is emptied before anybody writes to it again."""
    old = sentinels.primary()
    async with open_store(StoreSettings(sentinels.url, deadline=2.0)) as store, working(store, doing()) as seen:
        publisher = Publisher(store)
        for n in range(5):
            await publisher.send(Job(name=f"before {n}"), id=f"before {n}")
        await seen.wait(RunEnded, 5, lambda f: f.function == "test/hear")
        old.stop(signal.SIGKILL)
        new = await anyio.to_thread.run_sync(sentinels.wait_for_another, old)
        with new.client() as client:
            client.flushall()
        for n in range(5):
            await _send(publisher, f"after {n}")
        after = await seen.wait(RunEnded, 5, lambda f: f.run.startswith("test/work:after"))
        assert {f.run for f in after} == {f"test/work:after {n}" for n in range(5)}
        lost = await seen.wait(StreamLost, 1, lambda f: f.function == "test/work")
        assert lost[0].stream == Job.event_name
        assert await seen.wait(Discontinuity, 1)


async def _send(publisher: Publisher, name: str) -> None:
    while True:
        try:
            await publisher.send(Job(name=name), id=name)
        except (StoreUnavailable, StoreRefused):
            await anyio.sleep(0.05)
        else:
            return
