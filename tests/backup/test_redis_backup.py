"""The four steps on a real source: what they leave, and what they refuse."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import anyio
import pytest

from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.retention import Rule
from tests.backup.conftest import AT_ONCE, back_up, settings_of
from tests.support.server import MARK, Server

pytestmark = pytest.mark.anyio


def below(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


async def test_a_verified_set_is_left_under_its_name_and_nothing_else(any_source, nas):
    with any_source.client() as client:
        client.set("a", 1)
        client.execute_command("SELECT", 7)
        client.set("b", 2)
    taken, proven, published = await back_up(RedisBackup(settings_of(any_source, nas)))
    id = published["id"]
    names = ("dump.rdb", "manifest.json", "users.acl", "verified.json")
    assert below(nas / "backups" / "redis") == [id, *(f"{id}/{name}" for name in names), "latest"]
    assert os.readlink(nas / "backups" / "redis" / "latest") == id
    assert json.loads((nas / "backups" / "redis" / id / "manifest.json").read_text()) == taken["manifest"]
    held = proven["verified"]["restored"]
    assert held["databases"] == {"0": 2, "7": 1}
    assert held == taken["manifest"]["witness"]
    assert len(held["digest"]) == 40
    assert below(nas.parent / "state" / "backup-staging" / "backups" / "redis") == []


async def test_the_manifest_says_whose_data_it_is_and_holds_no_secret(tmp_path, nas):
    server = Server(tmp_path / "locked", aof=False, options=AT_ONCE).start()
    try:
        with server.client() as client:
            client.config_set("requirepass", "hunter2")
            settings = settings_of(f"redis://default:hunter2@127.0.0.1:{server.port}/0", nas)
            taken, _, published = await back_up(RedisBackup(settings))
            run_id = client.execute_command("AUTH", "hunter2") and client.info("server")["run_id"]
    finally:
        server.stop()
    source = taken["manifest"]["source"]
    assert (source["address"], source["runId"]) == (f"127.0.0.1:{server.port}", run_id)
    assert (source["role"], source["software"]) == ("master", "valkey")
    written = "".join(p.read_text() for p in (nas / "backups" / "redis" / published["id"]).glob("*.json"))
    assert "hunter2" not in written + json.dumps(taken) + repr(settings)


async def test_an_empty_source_is_legal(any_source, nas):
    with any_source.client() as client:
        client.delete(MARK)
        taken, proven, _ = await back_up(RedisBackup(settings_of(any_source, nas)))
        client.set(MARK, 1)
    held = proven["verified"]["restored"]
    assert (taken["manifest"]["dump"]["keys"], held["databases"], int(held["digest"], 16)) == (0, {}, 0)
    assert held == taken["manifest"]["witness"]


async def test_keys_that_expire_on_the_way_are_no_difference(any_source, nas):
    backup = RedisBackup(settings_of(any_source, nas))
    with any_source.client() as client:
        client.set("stays", 1)
        for n in range(20):
            client.set(f"goes-{n}", 1, pxat=client.execute_command("TIME")[0] * 1000 + 86_400_000)
        taken = await backup.take("r", 0, "", 1)
        assert taken["manifest"]["dump"]["expires"] == 20
        for n in range(20):
            client.set(f"soon-{n}", 1, px=3_000)
        taken = await backup.take("r", 1, "", 1)
        while client.exists("soon-19"):  # noqa: ASYNC110  the server's clock sets no event
            await anyio.sleep(0.05)
    copied = await backup.copy(taken)
    proven = await backup.verify(taken, copied)
    held = proven["verified"]["restored"]
    assert (held["databases"], held["expires"]) == ({"0": 42}, {"0": 40}), "also those that are over by now"
    assert taken["manifest"]["dump"]["keys"] == 42


async def test_functions_and_a_disk_based_source_come_along(redis_source, nas):
    redis_source.empty()
    with redis_source.client() as client:
        client.execute_command(
            "FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 1 end)"
        )
        client.config_set("repl-diskless-sync", "no")
        try:
            taken, _, _ = await back_up(RedisBackup(settings_of(redis_source, nas)))
        finally:
            client.config_set("repl-diskless-sync", "yes")
            client.execute_command("FUNCTION", "FLUSH")
    assert (taken["manifest"]["taken"]["mode"], taken["manifest"]["dump"]["libraries"]) == ("disk", 1)


@pytest.mark.parametrize("copies", [1, 2])
async def test_each_step_can_be_done_again(source, nas, copies):
    backup = RedisBackup(settings_of(source, nas))
    taken = await backup.take("r", 0, "", 1)
    for _ in range(copies):
        copied = await backup.copy(taken)
    for _ in range(copies):
        proven = await backup.verify(taken, copied)
    results = [await backup.publish(taken, copied, proven) for _ in range(copies)]
    assert results == results[:1] * copies
    assert [p.name for p in (nas / "backups/redis").iterdir() if not p.is_symlink()] == [results[0]["id"]]


async def test_what_a_crash_left_of_the_proof_is_written_anew(source, nas):
    backup = RedisBackup(settings_of(source, nas))
    taken = await backup.take("r", 0, "", 1)
    copied = await backup.copy(taken)
    proven = await backup.verify(taken, copied)
    (nas / "backups/redis" / copied["partial"] / "verified.json").write_text('{"id": "20')
    published = await backup.publish(taken, copied, proven)
    written = json.loads((nas / "backups/redis" / published["id"] / "verified.json").read_text())
    assert written == proven["verified"]


async def test_old_verified_sets_go_and_what_is_not_verified_is_left(source, nas):
    backup = RedisBackup(settings_of(source, nas, rule=Rule(2)))
    stranger = nas / "backups/redis/20200101T000000Z-aaaaaaaaaaaa"
    stranger.mkdir(parents=True)
    (stranger / "dump.rdb").write_bytes(b"x")
    ids = []
    for n in range(4):
        *_, published = await back_up(backup, run=f"r:{n}", at_ms=1_795_000_000_000 - n * 10_000_000)
        ids.append(published["id"])
    assert published["pruned"] == [ids[1]]
    assert published["freedBytes"] > 0
    assert {p.name for p in (nas / "backups/redis").iterdir()} == {*ids[2:], stranger.name, "latest"}
    assert (stranger / "dump.rdb").read_bytes() == b"x"


async def failure(act) -> BackupFailed:
    with pytest.raises(BackupFailed) as caught:
        await act
    return caught.value


async def test_a_byte_that_changed_at_the_destination_is_found_before_it_gets_a_name(source, nas):
    backup = RedisBackup(settings_of(source, nas))
    taken = await backup.take("r", 0, "", 1)
    copied = await backup.copy(taken)
    dump = nas / "backups/redis" / copied["partial"] / "dump.rdb"
    raw = bytearray(dump.read_bytes())
    raw[20] ^= 1
    dump.write_bytes(raw)
    failed = await failure(backup.verify(taken, copied))
    assert failed.failure_class == "hash-differs"
    assert "dump.rdb" in str(failed)


async def test_a_staged_dump_that_changed_is_not_copied(source, nas):
    backup = RedisBackup(settings_of(source, nas))
    taken = await backup.take("r", 0, "", 1)
    staged = backup.settings.staging.root / "backups/redis" / taken["staged"] / "dump.rdb"
    staged.write_bytes(staged.read_bytes()[:-1])
    assert (await failure(backup.copy(taken))).failure_class == "hash-differs"


async def test_a_destination_that_is_gone_is_told_before_anything_is_taken(source, nas):
    nas.rmdir()
    failed = await failure(RedisBackup(settings_of(source, nas)).take("r", 0, "", 1))
    assert failed.failure_class == "unreachable"
    assert str(nas) in str(failed)
    assert not (nas.parent / "state").exists()


async def test_a_destination_that_goes_later_is_told_too(source, nas):
    backup = RedisBackup(settings_of(source, nas))
    taken = await backup.take("r", 0, "", 1)
    nas.rmdir()
    assert (await failure(backup.copy(taken))).failure_class == "unreachable"


async def test_a_full_staging_disk_is_told_by_its_class(source, nas, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    failed = await failure(RedisBackup(settings_of(source, nas)).take("r", 0, "", 1))
    assert failed.failure_class == "no-space-left"


async def test_a_dump_of_something_else_does_not_verify(source, nas):
    """The restored server must hold what was read: a manifest that promises another copy is found by its hash."""
    backup = RedisBackup(settings_of(source, nas))
    one = await backup.take("r", 0, "", 1)
    with source.client() as client:
        client.set("more", 1)
    two = await backup.take("r", 1, "", 1)
    copied = await backup.copy(two)
    swapped = {**one, "manifest": {**one["manifest"], "id": two["manifest"]["id"]}}
    assert (await failure(backup.verify(swapped, copied))).failure_class == "hash-differs"


async def test_the_mount_kind_is_looked_at_first(source, nas):
    settings = settings_of(source, nas)
    settings = replace(settings, destination=replace(settings.destination, kind="mount"))
    failed = await failure(RedisBackup(settings).take("r", 0, "", 1))
    assert failed.failure_class == "not-mounted"
    assert below(nas) == []
