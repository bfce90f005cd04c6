"""What each level waits for, on real servers: a write is acknowledged when it is where the level says, not before."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import ClassVar

import anyio
import pytest
import redis

from joelclaw_bus import Publisher, Store, StoreRefused, StoreSettings, StoreUnavailable, StoreUnfit, open_store
from joelclaw_bus.durability import Durability
from joelclaw_bus.errors import NotConfirmed
from joelclaw_bus.fitness import check_fitness
from joelclaw_contracts import EventModel
from tests.support.replicated import Sentinels, online_replicas, wait_until
from tests.support.server import Server


class Ping(EventModel):
    event_name: ClassVar[str] = "test/ping"

    n: int


@asynccontextmanager
async def at(url: str, level: str, min_replicas: int = 1) -> AsyncIterator[Store]:
    where = StoreSettings(url, deadline=1.0, durability=Durability(level), min_replicas=min_replicas)
    async with open_store(where) as store:
        yield store


@pytest.mark.parametrize("binary", ["valkey", "redis"], indirect=True)
@pytest.mark.parametrize("level", list(Durability))
async def test_every_level_acknowledges_on_healthy_servers(sentinels: Sentinels, level: str) -> None:
    with sentinels.primary().client() as client:
        client.config_set("appendfsync", "always")
    async with at(sentinels.url, level) as store:
        sent = await Publisher(store).send(Ping(n=1), id="one")
        assert sent.duplicate is False
        assert (await Publisher(store).send(Ping(n=1), id="one")).duplicate is True


@pytest.mark.parametrize("binary", ["valkey", "redis"], indirect=True)
async def test_a_write_that_a_replica_has_not_is_not_acknowledged_and_its_repeat_neither(sentinels: Sentinels) -> None:
    """The repeat finds everything done and writes nothing: a bare WAIT would call that confirmed on Valkey."""
    replica = sentinels.replicas()[0]
    async with at(sentinels.url, "replica") as store:
        publisher = Publisher(store)
        await publisher.send(Ping(n=0), id="zero")
        replica.send(signal.SIGSTOP)
        for _ in range(2):
            with pytest.raises(NotConfirmed, match="written, not confirmed at replica"):
                await publisher.send(Ping(n=1), id="one")
        replica.send(signal.SIGCONT)
        wait_until(lambda: online_replicas(sentinels.primary()) == 2, "the replica is back")
        assert (await publisher.send(Ping(n=1), id="one")).duplicate is True
        assert await store.call("XLEN", "test/ping") == 2, "sent three times, there once"


async def test_too_few_replicas_hold_the_write_before_it_is_made(sentinels: Sentinels) -> None:
    async with at(sentinels.url, "replica", min_replicas=2) as store:
        publisher = Publisher(store)
        await publisher.send(Ping(n=0), id="zero")
        gone = sentinels.replicas()[0]
        gone.stop()
        wait_until(lambda: online_replicas(sentinels.primary()) == 1, "the primary has noticed")
        await _held(publisher)
        assert await store.call("XLEN", "test/ping") == 1
        sentinels.start_replica(gone, sentinels.primary())
        wait_until(lambda: online_replicas(sentinels.primary()) == 2, "it is back")
        await _acknowledged(publisher)
        assert await store.call("XLEN", "test/ping") == 2


async def _held(publisher: Publisher) -> None:
    """Within a second the store is asked anew, and the write is refused."""
    why = ""
    with anyio.fail_after(20):
        while "NOTDURABLE" not in why:
            try:
                await publisher.send(Ping(n=0), id="zero")
            except (NotConfirmed, StoreRefused) as refused:
                why = str(refused)
    assert "needs 2 online and the server reports 1" in why


async def _acknowledged(publisher: Publisher) -> None:
    """A replica that just came back may still load what it got: sent again until it is confirmed."""
    with anyio.fail_after(20):
        while True:
            with suppress(StoreUnavailable, StoreRefused):
                await publisher.send(Ping(n=1), id="one")
                return


@contextmanager
def running_with(server: Server, setting: str, value: str) -> Iterator[redis.Redis]:
    """The server runs with another setting than its own. The client, to look at what it holds."""
    with server.client() as client:
        own = client.config_get(setting)[setting]
        client.config_set(setting, value)
        try:
            yield client
        finally:
            client.config_set(setting, own)


async def check_refused_at_local(server: Server, why: str) -> None:
    """At the start in one line, and each write, before it is made."""
    async with at(server.url, "local") as store:
        with pytest.raises(StoreUnfit, match=why) as unfit:
            await check_fitness(store)
        assert "\n" not in str(unfit.value)
        with pytest.raises(StoreRefused, match="NOTDURABLE"):
            await Publisher(store).send(Ping(n=1), id="one")
        assert await store.call("EXISTS", "test/ping") == 0


@pytest.fixture(params=["redis_server", "plain_server"])
def emptied(request: pytest.FixtureRequest) -> Server:
    """Redis, which does not know WAITAOF on Debian 12, and Valkey, which does."""
    server: Server = request.getfixturevalue(request.param)
    server.empty()
    return server


async def test_local_is_refused_where_the_server_does_not_sync_during_a_rewrite(emptied: Server) -> None:
    with running_with(emptied, "no-appendfsync-on-rewrite", "yes"):
        await check_refused_at_local(emptied, "no-appendfsync-on-rewrite is yes")
        async with at(emptied.url, "memory") as store:
            assert any("no-appendfsync-on-rewrite is yes" in w for w in (await check_fitness(store)).warnings)


async def test_local_is_refused_at_the_start_where_the_server_does_not_sync_each_write(emptied: Server) -> None:
    """Valkey too, which has WAITAOF: at everysec it answers before the sync."""
    with running_with(emptied, "appendfsync", "everysec"):
        await check_refused_at_local(emptied, "needs appendfsync always, and it is everysec")
    async with at(emptied.url, "local") as store:
        assert (await check_fitness(store)).promise.sentence.endswith("disk of the server that answered.")
        assert (await Publisher(store).send(Ping(n=1), id="one")).duplicate is False


async def test_a_write_that_a_server_with_other_settings_took_is_not_acknowledged_at_local(
    emptied: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover the new primary may sync less than the one whose settings are remembered."""
    monkeypatch.setattr("joelclaw_bus.confirm.FACTS_AGE", 3_600.0)
    async with at(emptied.url, "local") as store:
        await Publisher(store).send(Ping(n=0), id="zero")
        with running_with(emptied, "appendfsync", "everysec"):
            with pytest.raises(NotConfirmed, match="and it is everysec"):
                await Publisher(store).send(Ping(n=1), id="one")
            with pytest.raises(StoreRefused, match="NOTDURABLE"):
                await Publisher(store).send(Ping(n=1), id="one")
        assert (await Publisher(store).send(Ping(n=1), id="one")).duplicate is True


async def test_replica_is_refused_at_the_start_while_there_is_none(one_server: Server) -> None:
    async with at(one_server.url, "replica") as store:
        with pytest.raises(StoreRefused, match="NOTDURABLE"):
            await check_fitness(store)


async def test_a_store_without_an_answer_is_unavailable_and_not_merely_unconfirmed(sentinels: Sentinels) -> None:
    async with at(sentinels.url, "replica") as store:
        await Publisher(store).send(Ping(n=1), id="one")
        sentinels.primary().send(signal.SIGSTOP)
        with pytest.raises(StoreUnavailable) as away:
            await Publisher(store).send(Ping(n=2), id="two")
        assert not isinstance(away.value, NotConfirmed)
