"""Where clients go in and after a failover: never to a primary that was, however soon it is back."""

from __future__ import annotations

import signal
from typing import ClassVar

import anyio
import pytest

from joelclaw_bus import Publisher, StoreRefused, StoreSettings, StoreUnavailable, load_script, open_store
from joelclaw_contracts import EventModel
from tests.support.replicated import Sentinels, wait_until
from tests.support.server import Server


class Ping(EventModel):
    event_name: ClassVar[str] = "test/ping"

    n: int


@pytest.mark.parametrize("binary", ["valkey", "redis"], indirect=True)
async def test_an_old_primary_that_is_back_at_once_takes_no_write(sentinels: Sentinels) -> None:
    """Clients that were idle, new ones, and the renewal's, while the sentinels have not made it a replica yet."""
    old = sentinels.primary()
    settings = StoreSettings(sentinels.url, deadline=2.0)
    async with open_store(settings) as idle:
        await Publisher(idle).send(Ping(n=0), id="before")
        blocking = idle.blocking_client(2.0)
        trifle = load_script("joelclaw_bus", "confirm")
        blocking.run(trifle, ["{test/ping}:confirmed"])
        old.stop(signal.SIGKILL)
        new = await anyio.to_thread.run_sync(lambda: first_named_instead_of(sentinels, old))
        sentinels.start_alone(old)
        for n in range(10):
            await acknowledged(Publisher(idle), n)
            async with open_store(settings) as fresh:
                await acknowledged(Publisher(fresh), 100 + n)
        blocking.run(trifle, ["{test/ping}:confirmed"])
        blocking.close()
    with new.client() as client:
        assert client.xlen("test/ping") == 21
        assert client.exists("{test/ping}:confirmed") == 1


async def test_without_any_sentinel_the_store_is_unavailable_and_says_so(sentinels: Sentinels) -> None:
    sentinels.stop_sentinels()
    async with open_store(StoreSettings(sentinels.url, deadline=1.0)) as store:
        with pytest.raises(StoreUnavailable, match="the sentinels name no primary for 'bus'"):
            await store.call("PING")


def first_named_instead_of(sentinels: Sentinels, old: Server) -> Server:
    """The new primary as soon as one sentinel, the leader, gives it out."""
    found: list[Server] = []

    def named() -> bool:
        found[:] = [s for s in sentinels.named() if s is not old]
        return bool(found)

    wait_until(named, "a failover")
    return found[0]


async def acknowledged(publisher: Publisher, n: int) -> None:
    with anyio.fail_after(20):
        while True:
            try:
                await publisher.send(Ping(n=n), id=f"ping {n}")
            except (StoreUnavailable, StoreRefused):
                await anyio.sleep(0.02)
            else:
                return
