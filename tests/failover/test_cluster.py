"""A cluster of three shards: what crosses slots crosses nodes, and each node has its own clock and its own death."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from joelclaw_bus import Event, Functions, Publisher, Step, StoreSettings, event, open_store
from joelclaw_bus.durability import Durability
from joelclaw_bus.fitness import check_fitness
from joelclaw_bus.inspect.names import event_names
from joelclaw_bus.observer import RunEnded
from joelclaw_bus.routing import slot_of
from tests.failover.kills import ShardKills
from tests.failover.load import Load, write_figure
from tests.support.sharded import Shards
from tests.support.worker_process import Done, Job
from tests.support.workers import working


def doing() -> Functions:
    functions = Functions()

    @functions.function("test/work", on=[event(Job)], retries=2, concurrency=3)
    async def work(e: Event[Job], step: Step) -> None:
        await step.run("one", str, e.data.name)
        await step.sleep("nap", 0.05)
        await step.send_event("done", Done(name=e.data.name))

    @functions.function("test/hear", on=[event(Done)], retries=1)
    async def hear(e: Event[Done], step: Step) -> str:
        return e.data.name

    return functions


@pytest.mark.parametrize("binary", ["valkey", "redis"], indirect=True)
async def test_events_steps_sleeps_permits_and_what_they_send_work_across_shards(shards: Shards) -> None:
    """The names lie in different shards: the outbox carries events and permits from node to node."""
    names = ["test/job", "{fn/test/work}:x", "test/done", "{bus}:slots"]
    assert len({shards.owner_of(name).port for name in names}) > 1
    async with open_store(StoreSettings(shards.url, durability=Durability.REPLICA)) as store:
        await check_fitness(store)
        async with working(store, doing()) as seen:
            for n in range(12):
                await Publisher(store).send(Job(name=str(n)), id=f"job {n}")
            done = await seen.wait(RunEnded, 12, lambda f: f.function == "test/hear" and f.status == "completed")
        assert len({f.run for f in done}) == 12
        assert set(await event_names(store, "test/*")) == {"test/job", "test/done"}
        replies = await store.calls([("XLEN", "test/job"), ("XLEN", "test/done"), ("HLEN", store.keys.slots)])
        assert replies[:2] == [12, 12]
        assert len(await store.node_names()) == 3


async def test_a_slot_that_moves_with_its_keys_is_followed_under_load(shards: Shards) -> None:
    """Moved key by key, as redis-cli does: in between, scripts are told TRYAGAIN or ASK, and nothing is lost."""
    source = shards.owner_of("test/job")
    target = next(s for s in shards.servers[:3] if s is not source)
    async with open_store(StoreSettings(shards.url)) as store, working(store, doing()) as seen:
        publisher = Publisher(store)
        sent = 0

        async def send(most: int) -> None:
            nonlocal sent
            while sent < most:
                with anyio.fail_after(30):
                    await _until_sent(publisher, Job(name=str(sent)), f"job {sent}")
                sent += 1

        await send(20)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, 60)
            await anyio.to_thread.run_sync(move_slot, shards, "test/job", source, target)
        await send(80)
        assert shards.owner_of("test/job") is target
        ended = await seen.wait(RunEnded, 80, lambda f: f.function == "test/hear" and f.status == "completed")
        assert len({f.run for f in ended}) == 80
        assert await store.call("XLEN", "test/job") == 80


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_nothing_acknowledged_at_replica_is_lost_when_a_shard_s_primary_dies(
    shards: Shards, tmp_path: Path
) -> None:
    kills = ShardKills(shards, Job.event_name)
    account = await Load(shards.url, tmp_path, "replica").run(kills, 2)
    write_figure(account)
    assert account.lost() == 0, account.line()
    assert account.open_runs == 0
    assert account.restarts == 0, "workers resume without a restart"


async def _until_sent(publisher: Publisher, job: Job, id: str) -> None:
    from joelclaw_bus import StoreRefused, StoreUnavailable

    while True:
        try:
            await publisher.send(job, id=id)
        except (StoreUnavailable, StoreRefused):
            await anyio.sleep(0.02)
        else:
            return


def move_slot(shards: Shards, key: str, source: object, target: object) -> None:
    """What `redis-cli --cluster reshard` does for one slot, with a key at a time."""
    from tests.support.server import Server

    assert isinstance(source, Server)
    assert isinstance(target, Server)
    slot = slot_of(key)
    shards.do(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", shards.id_of(source))
    shards.do(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", shards.id_of(target))
    with source.client() as client:
        client.response_callbacks.clear()
        while keys := client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1):
            client.execute_command("MIGRATE", "127.0.0.1", target.port, keys[0], 0, 5000)
    for server in (target, source, *(s for s in shards.servers[:3] if s not in (source, target))):
        shards.do(server, "CLUSTER", "SETSLOT", slot, "NODE", shards.id_of(target))
