"""A set put where a person wants it: whole and right, or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from joelclaw_backup import provider
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.redis_backup import RedisBackup
from tests.backup.conftest import back_up, settings_of
from tests.support.server import Server

pytestmark = pytest.mark.anyio
HELD = {f"key-{n}": os.urandom(20_000) for n in range(10)}


@pytest.fixture
async def stored(source, nas) -> Path:
    with source.client() as client:
        client.mset(HELD)
    *_, published = await back_up(RedisBackup(settings_of(source, nas)))
    return Path(published["path"])


async def test_a_real_server_that_starts_from_it_holds_the_data(stored, environ, tmp_path):
    there = tmp_path / "there"
    done = provider.restore(environ(), "latest", str(there))
    assert (done["standing"], done["sentBytes"]) == (
        "verified",
        sum((stored / name).stat().st_size for name in ("dump.rdb", "users.acl")),
    )
    server = Server(there, aof=False).start()
    try:
        with server.client() as client:
            assert {key: client.get(key) for key in HELD} == HELD
    finally:
        server.stop()


async def test_what_is_there_already_is_not_sent_again(stored, environ, tmp_path):
    there = tmp_path / "there"
    provider.restore(environ(), "latest", str(there))
    assert provider.restore(environ(), "latest", str(there))["sentBytes"] == 0


async def test_a_half_done_one_is_begun_anew_and_leaves_nothing_behind(stored, environ, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    (there / "dump.rdb.coming").write_bytes(b"half")
    assert provider.restore(environ(), "latest", str(there))["sentBytes"] > 0
    assert sorted(os.listdir(there)) == ["dump.rdb", "users.acl"]


async def test_what_came_in_part_is_gone_on_with_and_what_is_another_sets_is_not(stored, environ, tmp_path):
    there = tmp_path / "there"
    sizes = {f["name"]: f["size"] for f in provider.restore(environ(), "latest", str(there))["files"]}
    dump, coming = (there / "dump.rdb").read_bytes(), there / "dump.rdb.coming"
    for part, sent in (
        (dump[:100], len(dump) - 100),
        (dump, 0),
        (b"?" * 100, 2 * len(dump) - 100),
        (dump + b"x", len(dump)),
    ):
        (there / "dump.rdb").unlink()
        coming.write_bytes(part)
        assert provider.restore(environ(), "latest", str(there))["sentBytes"] == sent
        assert (there / "dump.rdb").read_bytes() == dump
        assert sorted(os.listdir(there)) == sorted(sizes)


@pytest.mark.parametrize("name", ["stranger", "dump.rdb"])
async def test_a_directory_that_is_not_empty_is_refused_before_anything_is_written(stored, environ, tmp_path, name):
    there = tmp_path / "there"
    there.mkdir()
    (there / name).write_text("mine")
    with pytest.raises(BackupFailed, match=f"not empty .{name}.") as caught:
        provider.restore(environ(), "latest", str(there))
    assert caught.value.failure_class == "target-not-empty"
    assert ((there / name).read_text(), os.listdir(there)) == ("mine", [name])
    provider.restore(environ(), "latest", str(there), force=True)
    assert (there / "dump.rdb").read_bytes() == (stored / "dump.rdb").read_bytes()


async def test_one_without_a_manifest_is_not_restored(stored, environ, tmp_path):
    (stored / "manifest.json").unlink()
    with pytest.raises(BackupFailed, match="no manifest"):
        provider.restore(environ(), stored.name, str(tmp_path / "there"))


async def test_what_is_not_there_is_none(environ, tmp_path):
    assert provider.restore(environ(), "latest", str(tmp_path / "there")) is None
    assert not (tmp_path / "there").exists()


async def test_a_place_that_cannot_be_written_is_said(stored, environ, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BackupFailed, match="can't be restored into"):
        provider.restore(environ(), "latest", str(tmp_path / "file" / "below"))


async def test_a_set_that_was_copied_elsewhere_by_hand_is_a_set_too(stored, environ, nas, tmp_path):
    """A disk that was carried away holds all that a restore needs."""
    carried = tmp_path / "carried"
    shutil.copytree(nas, carried, symlinks=True)
    there = environ(f'{{"backup": {{"destination": {{"path": "{carried}"}}}}}}')
    assert provider.verify(there, "latest")["ok"]
    assert provider.restore(there, "latest", str(tmp_path / "there"))["bytes"] > 0
