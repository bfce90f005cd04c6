"""A Redis taken by BGSAVE and a readable file: what is stored, and each lie of such a server by its class."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joelclaw_backup import taking
from joelclaw_backup.address import parse_address
from joelclaw_backup.bgsave import Saved, Saver, saved
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.rdb_aux import aux_of
from joelclaw_backup.rdb_file import RdbFile
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.settings import read_backup_settings
from joelclaw_backup.source import identify
from joelclaw_bus import StoreRefused
from joelclaw_contracts import load_config
from joelclaw_pod import SettingsError
from tests.backup.conftest import AT_ONCE, back_up, settings_of
from tests.backup.test_muted import full, until
from tests.support.server import Server

pytestmark = pytest.mark.anyio
POINTS = (*AT_ONCE, "--save", "3600 1", "--rdbcompression", "no")


@pytest.fixture(scope="module", params=["valkey", "redis"])
def saving(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that has save points, so that a save that fails mutes it."""
    binary = shutil.which("redis-server") if request.param == "redis" else None
    if request.param == "redis" and binary is None:
        pytest.fail("redis-server is not installed") if os.environ.get("CI") else pytest.skip("no redis-server")
    server = Server(tmp_path_factory.mktemp("saving"), binary=binary, aof=False, options=POINTS).start()
    yield server
    server.stop()


@pytest.fixture
def source(saving: Server) -> Server:
    saving.empty()
    return saving


def backup_of(server: Server, nas: Path, rdb: Path | None = None, **more: Any) -> RedisBackup:
    return RedisBackup(settings_of(server, nas, rdb=rdb or server.directory / "dump.rdb", **more))


async def failing(backup: RedisBackup) -> tuple[str, str]:
    with pytest.raises(BackupFailed) as caught:
        await backup.take("r", 0, "", 1_795_000_000_000)
    return str(caught.value.failure_class), str(caught.value)


@pytest.mark.parametrize("witness", [True, False])
async def test_what_the_server_saved_is_stored_with_its_functions_and_users(source, nas, witness):
    with source.client() as client:
        client.set("a", os.urandom(10_000))
        client.set("soon", 1, px=600_000)
        client.function_load("#!lua name=lib\nredis.register_function('f', function() return 1 end)", replace=True)
        client.acl_setuser("reader", enabled=True, keys=["x*"], commands=["+get"])
        taken, proven, published = await back_up(backup_of(source, nas, witness=witness))
        run_id = client.info("server")["run_id"]
        client.acl_deluser("reader")
        client.function_delete("lib")
    manifest, held = taken["manifest"], proven["verified"]["restored"]
    assert (manifest["tools"]["taken-by"], manifest["taken"]["mode"], manifest["source"]["runId"]) == (
        "BGSAVE",
        "disk",
        run_id,
    )
    assert (held["databases"], held["expires"], held["libraries"]) == ({"0": 3}, {"0": 1}, 1)
    assert held == manifest["witness"] if witness else manifest["witness"] is None
    assert manifest["taken"]["offset"] >= 0 or not witness
    assert "user reader" in (Path(published["path"]) / "users.acl").read_text()


async def test_a_save_that_fails_is_told_though_it_began_and_the_older_file_is_not_taken(source, nas):
    with source.client() as client:
        client.set("a", os.urandom(200_000))
        await back_up(backup_of(source, nas))
        assert (source.directory / "dump.rdb").exists(), "an old, whole file lies there"
        with full(source):
            kind, told = await failing(backup_of(source, nas, witness=False))
        assert (kind, "refuses all writes until one succeeds" in told) == ("io-error", True)
        assert b"MISCONF" in _said(client.execute_command, "SET", "b", "1")
        await back_up(backup_of(source, nas, witness=False), "r:2")
        client.set("b", 1)


async def test_the_next_save_lifts_what_the_failed_one_did_and_one_under_way_is_waited_for(source, nas):
    with source.client() as client:
        for n in range(50):
            client.set(f"k{n}", n)
        client.config_set("rdb-key-save-delay", 20_000)  # a second
        client.bgsave()
        began = client.info("persistence")["rdb_bgsave_in_progress"]
        client.set("later", 1)
        taken = await backup_of(source, nas, witness=False).take("r", 0, "", 1_795_000_000_000)
        client.config_set("rdb-key-save-delay", 0)
    assert (began, taken["manifest"]["dump"]["keys"]) == (1, 52), "not the file of the save that ran: `later` is in it"


async def test_a_save_that_comes_to_no_end_is_given_up(source):
    address = settings_of(source, source.directory).source
    run_id = (await identify(address)).run_id
    with source.client() as client:
        client.config_set("rdb-key-save-delay", 10_000_000)
        client.set("a", 1)
        try:
            with pytest.raises(BackupFailed) as caught:
                await saved(address, run_id, 2.0)
        finally:
            client.config_set("rdb-key-save-delay", 0)
            _end_save(source)
    assert caught.value.failure_class == "timeout"


async def test_a_file_that_is_missing_or_not_the_one_that_was_written_is_refused(source, nas, tmp_path):
    kind, told = await failing(backup_of(source, nas, tmp_path / "nowhere.rdb", witness=False))
    assert (kind, "backup.redis.rdbPath" in told) == ("no-snapshot-files", True)
    await back_up(backup_of(source, nas, witness=False))
    old = tmp_path / "old.rdb"
    shutil.copy(source.directory / "dump.rdb", old)
    kind, told = await failing(backup_of(source, nas, old, witness=False))
    assert (kind, "was there before the save" in told) == ("snapshot-invalid", True)
    os.mkfifo(tmp_path / "fifo")
    assert (await failing(backup_of(source, nas, tmp_path / "fifo", witness=False)))[0] == "snapshot-invalid"


async def test_a_file_of_another_time_version_or_history_is_refused(source, nas, tmp_path):
    address, path = settings_of(source, nas).source, source.directory / "dump.rdb"
    identity = await identify(address)
    when = await saved(address, identity.run_id, 60)
    file = RdbFile(path, None)
    try:
        file.require(when, identity.version)
        for spoilt in ({"ctime": "1"}, {"ctime": ""}, {"valkey-ver": "1.0.0"}, {"repl-id": "0" * 40}):
            good, file.aux = file.aux, {**file.aux, **spoilt}
            with pytest.raises(BackupFailed) as caught:
                file.require(when, identity.version)
            assert caught.value.failure_class == "snapshot-invalid", spoilt
            file.aux = good
    finally:
        file.close()


async def test_a_byte_that_flips_between_the_save_and_our_reading_is_found(source, nas, monkeypatch):
    with source.client() as client:
        client.set("a", os.urandom(100_000))

    async def spoilt(*words: Any) -> Saved:
        when = await saved(*words)
        raw = bytearray((source.directory / "dump.rdb").read_bytes())
        raw[50_000] ^= 1
        (source.directory / "dump.rdb").write_bytes(raw)
        return when

    monkeypatch.setattr(taking, "saved", spoilt)
    assert (await failing(backup_of(source, nas, witness=False)))[0] == "rdb-invalid"


async def test_one_without_the_right_to_save_is_refused_for_good(source, nas):
    with source.client() as client:
        client.acl_setuser("taker", enabled=True, passwords=["+p"], commands=["+info", "+ping"])
        try:
            at = f"redis://taker:p@127.0.0.1:{source.port}/0"
            backup = RedisBackup(settings_of(at, nas, rdb=source.directory / "dump.rdb", witness=False))
            assert (await failing(backup))[0] == "permission-denied"
        finally:
            client.acl_deluser("taker")


class Lying:
    """A store whose answers are written down: what no server here can be brought to."""

    def __init__(self, *answers: dict[str, Any] | StoreRefused) -> None:
        self.answers = list(answers)

    async def call(self, *words: str) -> bytes:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, StoreRefused):
            raise answer
        told = {"run_id": "r", "rdb_bgsave_in_progress": 0, "aof_rewrite_in_progress": 0, "rdb_last_save_time": 5}
        told |= {"rdb_last_bgsave_status": "ok", "server_time_usec": 9_000_000}
        return "".join(f"{name}:{value}\r\n" for name, value in (told | answer).items()).encode()


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (({}, StoreRefused("s", "ERR", "")), "resource-unavailable"),  # it could not fork
        (({}, StoreRefused("s", "ERR", "unknown command 'BGSAVE'")), "snapshot-refused"),
        (({}, {}, {}), "io-error"),  # ended well, and the time of its last save is what it was
        (({}, {}, {"run_id": "another"}), "source-changed"),
        ((StoreRefused("s", "NOPERM", "no"),), "permission-denied"),
    ],
)
async def test_each_way_in_which_a_server_saves_nothing_has_its_class(answers, kind):
    saver = Saver(parse_address("redis://h:1"), "r", Lying(*answers))  # type: ignore[arg-type]  # all of a store it needs
    with pytest.raises(BackupFailed) as caught:
        await saver.save()
    assert caught.value.failure_class == kind


def test_a_clusters_file_is_none_and_that_is_said_at_the_start(environ, tmp_path):
    there = {"backup": {"redis": {"url": "redis+cluster://a:1,b:2", "rdbPath": "/data/dump.rdb"}}}
    config = load_config(environ(json.dumps(there)), home=tmp_path)
    with pytest.raises(SettingsError, match="rdbPath"):
        read_backup_settings(config, "", tmp_path)


def test_the_pairs_before_the_data_are_read_in_each_spelling():
    pairs = b"\xfa\x05ctime\xc2\xc5\xf9\x02k" + b"\xfa\x04bits\xc0@" + b"\xfa\x40\x02ab\x80\x00\x00\x00\x01z"
    assert aux_of(b"VALKEY080" + pairs + b"\xfe\x00") == {"ctime": "1795357125", "bits": "64", "ab": "z"}
    assert aux_of(b"REDIS0011" + pairs[:14]) == {"ctime": "1795357125"}, "cut short"


def _said(call: Any, *words: str) -> bytes:
    try:
        call(*words)
    except Exception as error:
        return str(error).encode()
    return b""


def _end_save(server: Server) -> None:
    """As the server itself ends one that is not wanted any more: it mutes nobody."""
    assert server.process
    for child in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGUSR1)
    with server.client() as client:
        until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
