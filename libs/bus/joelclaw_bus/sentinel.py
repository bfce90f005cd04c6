"""Who is primary, as the sentinels say: redis-py's Sentinel support, with another way to look up.

redis-py takes the first sentinel's word, out of SENTINEL MASTERS. In the middle of a failover that row still names the
old primary, and if its supervisor was quick, an old primary that is up again: for ten seconds, until the sentinels make
it a replica, it would take writes that are thrown away then. So all sentinels are asked, and the one with the highest
configuration epoch is believed: whoever leads a failover counts it up when the new primary has answered as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

from joelclaw_bus.address import Place

_ASK_FAULTS = (redis.exceptions.RedisError, OSError)
Said = tuple[dict[str, Any], Place]
"""One sentinel's row of the service, and the address that it gives to those who ask for the primary."""


def choose(said: Sequence[Said]) -> Place | None:
    """The primary to connect to; None when the newest word is that it is down."""
    if not said:
        return None
    epoch = max(int(row["config-epoch"]) for row, _ in said)
    newest = [one for one in said if int(one[0]["config-epoch"]) == epoch]
    for row, place in newest:
        if place != (row["ip"], int(row["port"])):
            return place  # another address than the row's own: the failover is done but for the other replicas
    # is_sdown is one sentinel's own word: its link may be what is down. is_odown is what enough of them agreed on.
    agreed = any(row["is_odown"] for row, _ in newest)
    alone = sum(bool(row["is_sdown"]) for row, _ in newest)
    return None if agreed or 2 * alone > len(newest) else newest[0][1]


class _Sentinels(redis.asyncio.sentinel.Sentinel):
    async def discover_master(self, service_name: str) -> Place:
        said: list[Said] = []

        async def ask(sentinel: Any) -> None:
            try:
                row = await sentinel.sentinel_master(service_name)
                said.append((row, _place(await sentinel.sentinel_get_master_addr_by_name(service_name))))
            except (*_ASK_FAULTS, TypeError):  # away, or it does not know the service
                return

        async with anyio.create_task_group() as tasks:
            for sentinel in self.sentinels:
                tasks.start_soon(ask, sentinel)
        return _found(choose(said), len(said), service_name)


class _BlockingSentinels(redis.sentinel.Sentinel):
    def discover_master(self, service_name: str) -> Place:
        said: list[Said] = []
        for sentinel in self.sentinels:
            try:
                row: Any = sentinel.sentinel_master(service_name)
                said.append((row, _place(sentinel.sentinel_get_master_addr_by_name(service_name))))
            except (*_ASK_FAULTS, TypeError):
                continue
        return _found(choose(said), len(said), service_name)


def _place(address: Any) -> Place:
    host, port = address
    return (host.decode() if isinstance(host, bytes) else host), int(port)


def _found(place: Place | None, answers: int, service: str) -> Place:
    if place is None:
        why = "it is down, and no other was chosen yet" if answers else "none of them answers, or knows it"
        raise redis.exceptions.ConnectionError(f"the sentinels name no primary for {service!r}: {why}")
    return place


class _Pool(redis.asyncio.sentinel.SentinelConnectionPool, redis.asyncio.BlockingConnectionPool):
    """Bounded as our pools are, and closed with its sentinels' clients."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if inuse_connections:  # the pool itself ends; else only its idle connections, because the primary changed
            await self.sentinel_manager.aclose()


_typed: Any = (_Sentinels, _BlockingSentinels, _Pool, redis.sentinel.SentinelConnectionPool)  # redis-py's have no types


def sentinel_pool(
    places: Sequence[Place], service: str, to_ask: dict[str, Any], tls: bool, options: dict[str, Any]
) -> Any:
    return _typed[2](service, _typed[0](places, sentinel_kwargs=to_ask), ssl=tls, **options)


def blocking_sentinel_pool(
    places: Sequence[Place], service: str, to_ask: dict[str, Any], tls: bool, options: dict[str, Any]
) -> Any:
    return _typed[3](service, _typed[1](places, sentinel_kwargs=to_ask), ssl=tls, **options)
