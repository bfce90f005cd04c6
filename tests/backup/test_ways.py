"""What the command tells of the ways to the NAS, of the queue and of a transfer: as configured, over real SSH."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from joelclaw_backup import provider
from joelclaw_backup.manifest import Manifest
from joelclaw_backup.progress import progress_file, telling
from joelclaw_backup.records import ms_of
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.settings import read_backup_settings
from joelclaw_backup.space import MIB
from joelclaw_backup.switch import Patience
from joelclaw_backup.travel import Travel
from joelclaw_backup.waiting_sets import note, put, waiting
from joelclaw_contracts import load_config
from joelclaw_contracts.config import SENTINEL, state_directory
from joelclaw_pod import SettingsError
from tests.backup.conftest import back_up
from tests.support.sshd import Sshd

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = Sshd(tmp_path_factory.mktemp("sshd")).start()
    yield server
    server.stop()


@pytest.fixture
def far(tmp_path: Path) -> Path:
    root = tmp_path / "far"
    root.mkdir()
    (root / SENTINEL).touch()
    return root


@pytest.fixture
def configured(environ, sshd: Sshd, far: Path) -> dict[str, str]:
    """The environment of one with a local root and a NAS behind SSH."""
    flags = " ".join(sshd.flags())
    return environ(NAS_SSH_HOST="root@127.0.0.1", NAS_SSH_FLAGS=flags, NAS_REMOTE_ROOT=str(far))


def backup_of(environ: dict[str, str], url: str) -> RedisBackup:
    config = load_config(environ, home=Path(environ["HOME"]))
    return RedisBackup(read_backup_settings(config, url, state_directory(environ)))


async def test_the_configuration_makes_two_ways_a_queue_and_its_patience(configured, source, far, nas):
    settings = backup_of({**configured, "NAS_BACKUP_PREFER_REMOTE": "1"}, source.url).settings
    assert [(mode, place.root) for mode, place in settings.travel.ways(settings.destination).items()] == [
        ("remote", far),
        ("local", nas),
    ]
    assert (settings.travel.patience, settings.travel.queue_cap) == (Patience(12, 10_000, 120_000), 10_240 * MIB)
    assert settings.travel.queue is not None
    assert settings.travel.queue.root == Path(configured["JOELCLAW_STATE_DIR"]) / "backup-queue"
    patient = backup_of({**configured, "NAS_BACKUP_MAX_ATTEMPTS": "3", "NAS_BACKUP_RETRY_BASE_MS": "7"}, source.url)
    assert patient.settings.travel.patience == Patience(3, 7, 120_000)


async def test_without_a_nas_there_is_one_way_and_no_queue(environ, source):
    settings = backup_of(environ(), source.url).settings
    assert settings.travel == Travel()
    assert list(settings.travel.ways(settings.destination)) == ["local"]


async def test_a_flag_that_can_not_be_used_stops_the_start(configured, source):
    with pytest.raises(SettingsError, match="did you mean ConnectTimeout"):
        backup_of({**configured, "NAS_SSH_FLAGS": "-o ConectTimeout=3"}, source.url)


async def test_sets_are_listed_once_wherever_they_lie_and_found_by_their_id(configured, source, nas, far):
    backup = backup_of(configured, source.url)
    here = (await back_up(backup, "r:1", 1_795_000_000_000))[2]["id"]
    there = (await back_up(backup.going_to(backup.ways["remote"]), "r:2", 1_795_000_001_000))[2]["id"]
    listed = provider.list_artefacts(configured)
    assert [(a["id"], a["verified"], a["newest"]) for a in listed] == [(there, True, True), (here, True, False)]
    assert listed[0]["path"] == f"{backup.ways['remote'].path}/backups/redis/{there}"
    assert provider.list_artefacts(configured, killable=True) == listed
    assert provider.verify(configured, there)["ok"]
    drilled = await anyio.to_thread.run_sync(provider.drill, configured, "latest")
    assert (drilled["id"], drilled["ok"]) == (there, True)
    told = provider.restore(configured, there, str(nas.parent / "back"))
    assert (told["standing"], sorted(os.listdir(nas.parent / "back"))) == ("verified", ["dump.rdb", "users.acl"])
    nas.rename(nas.with_name("away"))
    assert [a["id"] for a in provider.list_artefacts(configured)] == [there], "what can be read is told"


async def test_each_way_is_told_with_its_room_its_host_key_and_its_newest_copy(configured, source, nas, far):
    backup = backup_of(configured, source.url)
    published = (await back_up(backup.going_to(backup.ways["remote"])))[2]
    local, remote = provider.transports(configured)
    assert (local["mode"], local["state"], local["newest"]) == ("local", "ok", None)
    assert (remote["mode"], remote["state"], remote["newest"]) == ("remote", "ok", published["id"])
    assert (remote["host"], remote["lacks"]) == (backup.ways["remote"].ssh.shown, [])
    assert remote["hostKey"].startswith("SHA256:")
    assert remote["freeBytes"] > 0
    (far / SENTINEL).unlink()
    nas.rename(nas.with_name("away"))
    assert [way["state"] for way in provider.transports(configured)] == ["unreachable", "not-mounted"]


async def test_what_waits_is_told_with_its_age_and_what_keeps_it(configured, source):
    backup = backup_of(configured, source.url)
    assert provider.queue(configured)["entries"] == []
    taken = await backup.take("r", 0, "", 1_795_000_000_000)
    settings, manifest = backup.settings, Manifest.of(taken["manifest"])
    put(settings.staging, taken["staged"], settings.travel.queue, manifest, 1 << 40)
    note(settings.travel.queue, waiting(settings.travel.queue)[0], "timeout", "it hung")
    told = provider.queue(configured)
    (entry,) = told["entries"]
    assert (entry["id"], entry["tries"], entry["failure"], entry["detail"]) == (manifest.id, 1, "timeout", "it hung")
    assert (entry["againAt"], bool(entry["triedAt"])) == (None, True), "a way was away: the next tick tries it"
    assert (told["bytes"], told["capBytes"]) == (manifest.bytes, 10_240 * MIB)
    assert told["oldestMs"] == entry["waitedMs"] >= 0
    assert provider.list_artefacts(configured) == [], "what waits is no backup"
    note(settings.travel.queue, waiting(settings.travel.queue)[0], "hash-differs", "other bytes", of_data=True)
    (entry,) = provider.queue(configured)["entries"]
    assert (entry["failure"], ms_of(entry["againAt"]) - ms_of(entry["triedAt"])) == ("hash-differs", 120_000)


def test_a_transfer_tells_how_far_it_is_until_it_ends(configured):
    staging = Path(configured["JOELCLAW_STATE_DIR"]) / "backup-staging"
    staging.mkdir(parents=True)
    with telling(progress_file(staging, "redis"), "copying", "an id", "remote", 4 * MIB) as told:
        told(MIB)
        there: dict[str, Any] = provider.progress(configured) or {}
        assert (there["doneBytes"], there["totalBytes"], there["mode"]) == (MIB, 4 * MIB, "remote")
        assert there["bytesPerSecond"] > 0
        assert provider.queue(configured)["progress"] == [provider.progress(configured)]
    assert provider.progress(configured) is None


async def test_old_sets_go_at_both_ends(configured, source, environ, nas, tmp_path):
    rule = {"keep": 1, "keepDaily": 0, "keepWeekly": 0, "keepMonthly": 0, "keepAtLeast": 1}
    kept = backup_of(configured, source.url)
    for mode in ("local", "remote"):
        for n in range(2):
            await back_up(kept.going_to(kept.ways[mode]), f"{mode}:{n}", 1_795_000_000_000 + n * 1000)
    document = {"backup": {"destination": {"kind": "directory", "path": str(nas), **rule}}}
    told = provider.prune({**configured, **environ(json.dumps(document))})
    assert (len(told["pruned"]), len(told["kept"])) == (2, 2)
    assert len(provider.list_artefacts(configured)) == 2


def test_a_local_root_that_is_not_made_yet_is_no_trouble(configured, source):
    settings = backup_of(configured, source.url).settings
    assert Travel().ways(settings.destination) == {"local": settings.destination}
