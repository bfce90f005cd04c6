"""A store without memory or without disk: new work is refused with a clear error, old work ends, and it recovers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from joelclaw_bus import Publisher, StoreRefused, StoreSettings, open_store
from joelclaw_bus.observer import RunEnded, StoreBack, StoreTrouble, Stuck
from tests.faults.everything import FUNCTIONS, Everything, Job
from tests.faults.test_refusals import impatient
from tests.support.server import Server
from tests.support.workers import working

pytestmark = pytest.mark.slow
__all__ = ["impatient"]


async def test_at_maxmemory_old_work_ends_new_work_is_refused_and_then_it_recovers(own_server: Server) -> None:
    everything = Everything()
    async with (
        open_store(StoreSettings(own_server.url, deadline=30)) as store,
        working(store, everything.functions, chores=0.2) as seen,
    ):
        with own_server.client() as client:
            await everything.send(store, 8)
            client.config_set("maxmemory", client.info("memory")["used_memory"] // 2)
            await seen.wait(RunEnded, len(FUNCTIONS) * 8, where=lambda f: f.function != "test/tick")
            with pytest.raises(StoreRefused, match=r"\(OOM\).*raise maxmemory") as refused:
                await Publisher(store).send(Job(name="new"))
            await seen.wait(StoreTrouble)
            assert not seen.all(StoreBack), "the old work ended while it was full"
            client.config_set("maxmemory", 0)
        await seen.wait(StoreBack)
        await everything.send(store, 1)
        await everything.all_ended(seen)
        await everything.check(store, seen)
    assert refused.value.kind == "OOM"
    assert len(seen.all(StoreTrouble)) == len(seen.all(StoreBack)) == 1
    assert not seen.all(Stuck)


@pytest.fixture
def everysec_server(tmp_path: Path) -> Iterator[Server]:
    """A server that fsyncs `always` ends itself when its disk is full; one that does it every second refuses writes."""
    server = Server(tmp_path / "own", options=("--appendfsync", "everysec")).start()
    yield server
    server.stop()


async def test_on_a_full_disk_it_waits_and_goes_on_when_there_is_space(everysec_server: Server) -> None:
    everything, server = Everything(), everysec_server
    async with (
        open_store(StoreSettings(server.url, deadline=30)) as store,
        working(store, everything.functions) as seen,
    ):
        await everything.send(store, 8)
        server.disk(left=2_000)
        [trouble] = await seen.wait(StoreTrouble)
        with pytest.raises(StoreRefused, match=r"MISCONF"):
            await Publisher(store).send(Job(name="new"))
        server.disk(left=None)
        await seen.wait(StoreBack)
        await everything.send(store, 1)
        await everything.all_ended(seen)
        await everything.check(store, seen)
    assert "free disk space" in trouble.error
    assert not seen.all(Stuck)
    ended = Counter(f.run for f in seen.all(RunEnded))
    assert max(ended.values()) == 1
