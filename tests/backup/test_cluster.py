"""A cluster is taken whole, each primary proven, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from joelclaw_backup import provider, redis_backup
from joelclaw_backup.cluster import missing_of, parts_of
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.manifest import ClusterManifest, Manifest, RedisManifest
from joelclaw_backup.records import OtherVersion
from joelclaw_backup.redis_backup import RedisBackup
from tests.backup.conftest import back_up, settings_of
from tests.support.sharded import Shards

pytestmark = pytest.mark.anyio
KEYS = 300


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shards]:
    made = Shards(tmp_path_factory.mktemp("cluster"), primaries=3)
    try:
        made.start()
        for n in range(KEYS):
            made.do(made.owner_of(f"key-{n}"), "SET", f"key-{n}", os.urandom(50).hex())
        yield made
    finally:
        made.stop()


async def failure(act: Any) -> BackupFailed:
    with pytest.raises(BackupFailed) as caught:
        await act
    return caught.value


async def test_every_shard_of_a_cluster_is_in_one_set_and_each_restores_to_what_its_primary_held(cluster, nas, environ):
    taken, proven, published = await back_up(RedisBackup(settings_of(cluster.url, nas)))
    manifest = Manifest.of(taken["manifest"])
    assert isinstance(manifest, ClusterManifest)
    assert missing_of(parts_of(cluster.do(cluster.servers[0], "CLUSTER", "NODES").decode())) == ""
    assert {shard.node for shard in manifest.shards} == {cluster.id_of(s) for s in cluster.servers[:3]}
    assert [shard.slots[0][0] for shard in manifest.shards] == [0, 5461, 10922]
    assert {shard.source.role for shard in manifest.shards} == {"master"}
    assert [f.name for f in manifest.files] == [f"shard-00{n}.{kind}" for n in (1, 2, 3) for kind in ("rdb", "acl")]
    held = proven["verified"]["restored"]["shards"]
    assert sum(one["databases"]["0"] for one in held.values()) == KEYS == manifest.told.count
    assert held == {shard.file: shard.model_dump(by_alias=True)["witness"] for shard in manifest.shards}
    told = await anyio.to_thread.run_sync(provider.drill, environ(REDIS_URL=cluster.url), "redis/latest")
    assert (told["ok"], told["verdict"], told["restored"]["keys"]) == (True, "verified", KEYS)
    assert told["restored"] == told["expected"]
    await check_that_swapped_shards_are_found(Path(published["path"]), environ())


async def check_that_swapped_shards_are_found(stored: Path, environ: dict[str, str]) -> None:
    one, other, spare = stored / "shard-001.rdb", stored / "shard-002.rdb", stored.parent / "spare"
    one.rename(spare)
    other.rename(one)
    spare.rename(other)
    told = await anyio.to_thread.run_sync(provider.verify, environ, "latest")
    assert (told["ok"], {f["file"] for f in told["findings"]}) == (False, {"shard-001.rdb", "shard-002.rdb"})


async def test_who_names_one_node_gets_the_whole_cluster(cluster, nas):
    settings = replace(settings_of(cluster.servers[4].url, nas), witness=False)  # a replica, even
    *_, published = await back_up(RedisBackup(settings))
    read = Manifest.read((Path(published["path"]) / "manifest.json").read_bytes())
    assert isinstance(read, ClusterManifest)
    assert (len(read.shards), read.told.count, read.told.digest) == (3, KEYS, None)


async def test_slots_that_are_on_the_move_or_a_primary_that_changes_meanwhile_are_no_backup(cluster, nas, monkeypatch):
    backup = RedisBackup(replace(settings_of(cluster.url, nas), witness=False))
    first, second = cluster.servers[:2]
    cluster.do(first, "CLUSTER", "SETSLOT", 7, "MIGRATING", cluster.id_of(second))
    failed = await failure(backup.take("moving", 0, "", 1))
    cluster.do(first, "CLUSTER", "SETSLOT", 7, "STABLE")
    assert failed.failure_class == "server-unavailable"
    assert "on the move" in str(failed)
    take, changed = redis_backup.take_server, []

    async def and_then_it_moves(*words: Any, **more: Any) -> Any:
        done = await take(*words, **more)
        if not changed:  # slot 0 goes to another primary, after its old one was copied and before the new one is
            for node in (second, first):
                cluster.do(node, "CLUSTER", "SETSLOT", 0, "NODE", cluster.id_of(second))
            changed.append(True)
        return done

    monkeypatch.setattr(redis_backup, "take_server", and_then_it_moves)
    failed = await failure(backup.take("moved", 0, "", 1))
    for node in cluster.servers[:3]:
        cluster.do(node, "CLUSTER", "SETSLOT", 0, "NODE", cluster.id_of(first))
    assert failed.failure_class in ("source-changed", "server-unavailable")
    assert list((nas / "backups").glob("*/*")) == []


async def test_a_cluster_with_slots_that_nobody_serves_is_refused(one_node_of_many, nas):
    failed = await failure(RedisBackup(settings_of(one_node_of_many, nas)).take("r", 0, "", 1))
    assert failed.failure_class == "server-unavailable"
    assert "slots 100-16383 have no primary" in str(failed)


@pytest.fixture
def one_node_of_many(tmp_path: Path) -> Iterator[str]:
    from tests.support.server import Server

    server = Server(tmp_path / "alone", cluster=True, mark=False).start()
    with server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 99)
    yield f"redis+cluster://127.0.0.1:{server.port}"
    server.stop()


def test_a_map_is_read_as_servers_write_it():
    told = (
        "a 10.0.0.1:6379@16379,host.one myself,master - 0 0 3 connected 0-8000 8002 [8001->-b]\n"
        "b fe80::1:6380@16380 master,fail? - 0 0 4 connected 8001 8003-16383\n"
        "c :0@0 slave,noaddr b 0 0 4 disconnected\n"
        "d 10.0.0.4:6379@16379 master - 0 0 0 connected\n"
    )
    one, two = parts_of(told)
    assert (one.host, one.port, one.slots, one.epoch) == ("10.0.0.1", 6379, ((0, 8000), (8002, 8002)), 3)
    assert (one.moving, one.myself, one.trouble) == (True, True, "")
    assert (two.host, two.port, two.trouble) == ("fe80::1", 6380, "fail?")
    assert missing_of((one, two)) == ""
    assert missing_of((one,)) == "slots 8001-8001 have no primary"
    assert missing_of((two,)) == "slots 0-8000 have no primary"
    assert missing_of((one, two, one)) == "slot 0 has two"


def test_a_version_that_knows_no_clusters_leaves_such_a_set_alone():
    """As an older program read it: by the form of its own records."""
    with pytest.raises(OtherVersion, match="newer"):
        RedisManifest.read(b'{"schemaVersion": 3, "target": "redis", "shards": []}')
