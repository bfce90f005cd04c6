"""Each node of a cluster has a clock of its own, and each node's jump is the whole worker's discontinuity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytest

from joelclaw_bus.clock import ServerClock
from joelclaw_bus.errors import StoreUnavailable
from joelclaw_bus.keys import Keys
from joelclaw_bus.routing import Command
from joelclaw_bus.store import Store


class Cluster:
    """What the clock asks of a store. `times`: each node's clock, ms; a key's first letter names its node."""

    keys = Keys()

    def __init__(self, **times: int) -> None:
        self.times = times
        self.process = dict.fromkeys(times, b"1")
        self.away = ""

    async def node_names(self) -> list[str]:
        return sorted(self.times)

    def node_of(self, key: str) -> str:
        return "a" if key.startswith("{bus}") else key[0]

    async def calls(self, commands: Iterable[Command], *, node: str) -> list[Any]:
        if node == self.away:
            raise StoreUnavailable("there", "it is away")
        ms = self.times[node]
        info = b"run_id:" + self.process[node] + b"\r\n"
        return [info, [ms // 1000, ms % 1000 * 1000], [b"master"]]


def clock_of(cluster: Cluster) -> ServerClock:
    return ServerClock(cast(Store, cluster), tolerance_ms=500, local=lambda: 0.0)


async def test_a_slots_time_is_its_nodes() -> None:
    clock = clock_of(Cluster(a=1_000_000, b=9_000_000))
    assert await clock.sync() == ""
    assert clock.now_ms() == 1_000_000, "the bus's own keys lie on node a"
    assert clock.now_at("a stream") == 1_000_000
    assert clock.now_at("b stream") == 9_000_000
    assert clock.now_at("c: nobody knows its node yet") == 1_000_000


async def test_one_nodes_jump_or_death_is_a_discontinuity_and_the_others_keep_their_time() -> None:
    cluster = Cluster(a=1_000_000, b=9_000_000)
    clock = clock_of(cluster)
    await clock.sync()
    cluster.times["b"] += 60_000
    assert "its clock moved by 60000 ms" in await clock.sync()
    assert await clock.sync() == ""
    cluster.process["b"] = b"2"
    assert "another server process" in await clock.sync()
    cluster.times = {"a": 1_000_000, "c": 5_000_000}
    cluster.process["c"] = b"1"
    assert await clock.sync() == "c has become a primary"
    assert clock.now_at("c stream") == 5_000_000
    assert clock.now_at("a stream") == 1_000_000


async def test_a_node_that_is_away_from_the_start_keeps_no_other_slot_s_time_from_being_known() -> None:
    cluster = Cluster(a=1_000_000, b=9_000_000)
    cluster.away = "a"
    clock = clock_of(cluster)
    with pytest.raises(StoreUnavailable):
        await clock.sync()
    await clock.meet("b stream")
    assert clock.now_at("b stream") == 9_000_000
    with pytest.raises(StoreUnavailable):
        await clock.meet("a stream")
    cluster.away = ""
    await clock.meet("a stream")
    assert clock.now_at("a stream") == 1_000_000
    assert await clock.sync() == "", "all were met for the first time: nothing jumped"
