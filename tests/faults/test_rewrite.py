"""The append-only file is rewritten under load: nothing is lost or doubled, and what it kept is whole after a kill."""

from __future__ import annotations

import anyio
import pytest

from joelclaw_bus import StoreSettings, open_store
from joelclaw_bus.observer import Discontinuity, StoreTrouble
from tests.faults.everything import Done, Everything
from tests.support.pinger import Pinger
from tests.support.server import Server
from tests.support.workers import working

pytestmark = pytest.mark.slow


async def rewritten(server: Server, times: int) -> None:
    with server.client() as client, anyio.fail_after(60):
        running = True
        while running or client.info("stats")["total_forks"] < times:
            await anyio.sleep(0.01)
            running = client.info("persistence")["aof_rewrite_in_progress"]
        assert client.info("persistence")["aof_last_bgrewrite_status"] == "ok"


async def test_a_rewrite_under_load_loses_nothing(own_server: Server) -> None:
    everything = Everything()
    async with open_store(StoreSettings(own_server.url, deadline=30)) as store:
        with own_server.client() as client:
            client.config_set("appendfsync", "everysec")  # what is written must not wait for the disk to be under load
            async with working(store, everything.functions) as seen:
                await everything.send(store, 8)
                with Pinger(own_server.port) as calm:
                    await everything.send(store, 8)
                with Pinger(own_server.port) as stalled:
                    client.bgrewriteaof()
                    await everything.send(store, 8)
                    await rewritten(own_server, 1)
                await everything.all_ended(seen)
            await everything.check(store, seen)
        print(f"append-only rewrite: worst ping {stalled.worst_ms:.1f} ms, {calm.worst_ms:.1f} ms without one")
        await anyio.sleep(1.1)  # everysec: what a kill may take, a power loss too
        before = await store.call("XLEN", Done.event_name)
        own_server.stop()
        own_server.start()
    async with open_store(StoreSettings(own_server.url, deadline=30)) as again:
        assert await again.call("XLEN", Done.event_name) == before == len(everything.sent)
    assert not seen.all(StoreTrouble)
    assert not [f for f in seen.all(Discontinuity) if "another server" in f.reason]
