"""What is on the shelf, read again: every kind of damage is found, and its file is named."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from joelclaw_backup import provider
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.manifest import Manifest, Verified
from joelclaw_backup.records import FileRecord, sha256
from joelclaw_backup.redis_backup import RedisBackup
from tests.backup.conftest import back_up, settings_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stored(source, nas) -> Path:
    with source.client() as client:
        client.set("big", os.urandom(3_000_000))
    *_, published = await back_up(RedisBackup(settings_of(source, nas)))
    return Path(published["path"])


def flip(path: Path, position: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1
    told = path.stat()
    path.write_bytes(raw)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


DAMAGE = {
    "one byte flipped": (lambda s: flip(s / "dump.rdb", 1_500_000), "dump.rdb", "hash-differs"),
    "the last byte flipped": (lambda s: flip(s / "dump.rdb", -1), "dump.rdb", "hash-differs"),
    "truncated": (lambda s: os.truncate(s / "dump.rdb", 2_000_000), "dump.rdb", "hash-differs"),
    "emptied": (lambda s: os.truncate(s / "dump.rdb", 0), "dump.rdb", "hash-differs"),
    "zero-filled": (lambda s: (s / "dump.rdb").write_bytes(bytes((s / "dump.rdb").stat().st_size)), "dump.rdb",
                    "hash-differs"),
    "missing": (lambda s: (s / "dump.rdb").unlink(), "dump.rdb", "file-missing"),
    "a directory in its place": (lambda s: ((s / "dump.rdb").unlink(), (s / "dump.rdb").mkdir()), "dump.rdb",
                                 "hash-differs"),
    "extra": (lambda s: (s / "notes.txt").write_text("x"), "notes.txt", "extra-file"),
    "hidden extra": (lambda s: (s / ".x").write_text("x"), ".x", "extra-file"),
    "manifest flipped": (lambda s: flip(s / "manifest.json", 200), "manifest.json", "hash-differs"),
    "manifest missing": (lambda s: (s / "manifest.json").unlink(), "manifest.json", "file-missing"),
    "verification flipped": (lambda s: flip(s / "verified.json", 60), "verified.json", "hash-differs"),
    "verification missing": (lambda s: (s / "verified.json").unlink(), "verified.json", "file-missing"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
async def test_verify_names_the_file_that_is_damaged(stored, environ, damage):
    assert provider.verify(environ(), stored.name)["ok"]
    harm, file, verdict = DAMAGE[damage]
    harm(stored)
    told = provider.verify(environ(), "latest")
    assert (told["ok"], told["findings"][0]["file"]) == (False, file)
    assert told["verdict"] == verdict


def forge(stored: Path, raw: bytes) -> None:
    """Another dump, and records that agree with it: what one could do who may write there."""
    (stored / "dump.rdb").write_bytes(raw)
    manifest = Manifest.read((stored / "manifest.json").read_bytes())
    file = FileRecord(name="dump.rdb", size=len(raw), sha256=sha256(raw))
    spelt = manifest.model_copy(update={"files": (file, *manifest.files[1:])}).render()
    (stored / "manifest.json").write_bytes(spelt)
    proof = Verified.read((stored / "verified.json").read_bytes())
    told = proof.model_copy(update={"manifest_sha256": sha256(spelt)}).sealed()
    (stored / "verified.json").write_bytes(told.render())


@pytest.mark.parametrize("harm", ["crc", "magic", "cut"])
async def test_verify_reads_the_dump_with_our_own_check_whatever_the_records_say(stored, environ, harm):
    raw = bytearray((stored / "dump.rdb").read_bytes())
    match harm:
        case "crc":
            raw[1_500_000] ^= 1
        case "magic":
            raw[:5] = b"RUDIS"
        case "cut":
            del raw[-20:]
    forge(stored, bytes(raw))
    told = provider.verify(environ(), stored.name)
    assert (told["ok"], told["verdict"], told["standing"]) == (False, "rdb-invalid", "damaged")
    assert told["findings"][0]["file"] == "dump.rdb"


@pytest.mark.parametrize(("version", "words"), [(1, "made by an older version"), (4, "made by a newer version")])
async def test_a_set_of_another_version_is_said_to_be_one_and_is_not_called_damaged(stored, environ, version, words):
    for name in ("manifest.json", "verified.json"):
        told = json.loads((stored / name).read_bytes())
        told["schemaVersion"] = version
        (stored / name).write_bytes(json.dumps(told, indent=2, sort_keys=True).encode() + b"\n")
    told = provider.verify(environ(), stored.name)
    assert (told["ok"], told["verdict"], told["standing"]) == (False, "other-version", "unknown")
    assert words in told["problem"]
    assert "damaged" not in provider.show(environ(), stored.name)["problem"]
    assert provider.newest(environ()) is None


async def test_a_set_that_was_written_anew_with_records_that_agree_is_not_the_one_that_this_suite_proved(
    stored, environ, tmp_path, source, nas
):
    """By somebody who may write there, and knows this program."""
    (told,) = provider.list_artefacts(environ())
    assert (told["vouched"], told["standing"]) == (True, "verified")
    with source.client() as client:
        client.set("more", 1)
    *_, other = await back_up(RedisBackup(settings_of(source, nas)), "other", 1_795_000_060_000)
    forge(stored, (Path(other["path"]) / "dump.rdb").read_bytes())  # a sound dump, and every hash is right
    told = provider.verify(environ(), stored.name)
    assert (told["ok"], told["standing"], told["findings"]) == (False, "damaged", [])
    assert "not the proof that this suite wrote" in told["problem"]
    assert provider.newest(environ())["id"] == other["id"]
    (tmp_path / f"state/backup-checks/redis/{stored.name}.proof").unlink()
    told = provider.show(environ(), stored.name)
    assert (told["vouched"], told["standing"]) == (False, "claimed"), "another suite may have proven it, or nobody"


async def test_an_odd_record_of_looks_makes_verify_fail_and_is_named(stored, environ):
    (stored / "checked.json").write_text("{}")
    told = provider.verify(environ(), stored.name)
    assert (told["ok"], "checked.json" in told["problem"]) == (False, True)


async def test_every_byte_of_the_records_counts(stored, environ):
    for name in ("manifest.json", "verified.json"):
        for position in range(0, (stored / name).stat().st_size, 23):
            flip(stored / name, position)
            told = provider.verify(environ(), stored.name)
            assert not told["ok"], (name, position)
            assert told["findings"][0]["file"] in ("manifest.json", "verified.json")
            flip(stored / name, position)
    assert provider.verify(environ(), stored.name)["findings"] == []


async def test_a_set_under_another_sets_name_is_not_believed(stored, environ):
    other = stored.with_name("20990101T000000Z-aaaaaaaaaaaa")
    shutil.copytree(stored, other)
    assert not provider.verify(environ(), other.name)["ok"]
    listed = provider.list_artefacts(environ())
    assert [(a["id"], a["verified"]) for a in listed] == [(stored.name, True), (other.name, False)]
    assert provider.newest(environ())["id"] == stored.name


async def test_a_sealed_record_without_a_time_spoils_its_own_set_only(stored, environ, source, nas):
    record = stored / "verified.json"
    record.write_bytes(
        Verified.read(record.read_bytes()).model_copy(update={"verified_at": "yesterday"}).sealed().render()
    )
    (told,) = provider.list_artefacts(environ())
    assert (told["verified"], "is no time" in told["problem"]) == (False, True)
    later = 1_795_000_060_000
    *_, published = await back_up(RedisBackup(settings_of(source, nas)), run="system/backup.redis:2", at_ms=later)
    assert published["retentionTrouble"] == ""
    assert provider.newest(environ())["path"] == published["path"]


async def test_only_verified_sets_are_the_newest(stored, environ):
    (stored.parent / f"{stored.name}.00000000.partial").mkdir()
    assert [a["id"] for a in provider.list_artefacts(environ())] == [stored.name]
    os.truncate(stored / "dump.rdb", 9)
    assert provider.newest(environ()) is None
    assert "dump.rdb: has 9 bytes" in provider.list_artefacts(environ())[0]["problem"]


async def test_a_read_model_is_json(stored, environ):
    model = [provider.list_artefacts(environ()), provider.verify(environ(), "latest"), provider.destination(environ())]
    assert json.loads(json.dumps(model)) == model


@pytest.mark.parametrize("name", ["nope", "..", "../..", "latest", "20990101T000000Z-aaaaaaaaaaaa", "/etc"])
def test_what_is_not_there_is_none(environ, name):
    assert provider.verify(environ(), name) is None


def test_looking_makes_nothing(environ, tmp_path, nas):
    assert provider.list_artefacts(environ()) == []
    assert provider.list_artefacts(environ("{}")) == []
    assert provider.destination(environ("{}"))["label"] == "same disk"
    assert list(nas.iterdir()) == []
    assert not (tmp_path / "state").exists()


def test_a_destination_that_is_gone_is_said(environ, nas):
    nas.rmdir()
    assert provider.destination(environ())["state"] == "unreachable"
    with pytest.raises(BackupFailed, match="unreachable"):
        provider.list_artefacts(environ())
