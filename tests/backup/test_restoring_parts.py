"""What a restore finds out and what it finds lying there: damage, parts of its own and of others, little room."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joelclaw_backup import provider
from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed, DamagedSet, NotRestored
from joelclaw_backup.killable import finished
from joelclaw_backup.local_folder import LocalFolder, LocalReading
from joelclaw_backup.looking import Shelved
from joelclaw_backup.restoring import restoring_set
from joelclaw_cli.failures import failure_of
from tests.support.shelves import Shelf

TARGET = "typesense"
NAME = "snapshot.tar"
COMING = f"{NAME}.coming"


@pytest.fixture
def shelf(tmp_path: Path, nas: Path) -> Shelf:
    return Shelf(nas, tmp_path / "state/backup-checks" / TARGET)


@pytest.fixture
def stored(shelf: Shelf) -> Path:
    return shelf.add(0, TARGET)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    into = tmp_path / "there"
    into.mkdir()
    return into


@pytest.fixture
def restored(shelf: Shelf, stored: Path, there: Path) -> Callable[[], Any]:
    """Restores in this process: how many bytes were sent."""
    at = Shelved(Destination("directory", shelf.root), TARGET, shelf.aside)
    return lambda: finished(restoring_set(at, stored.name, there, False))["sentBytes"]


def check_whole(there: Path, stored: Path) -> None:
    assert sorted(os.listdir(there)) == [NAME]
    assert (there / NAME).read_bytes() == (stored / NAME).read_bytes()


def test_a_set_that_a_restore_finds_damaged_is_damaged_from_then_on_and_its_answer_names_it(
    shelf, stored, environ, tmp_path
):
    newer = shelf.add(1, TARGET)
    assert provider.verify(environ(), newer.name)["ok"]
    raw = bytearray((newer / NAME).read_bytes())
    raw[1000] ^= 1
    (newer / NAME).write_bytes(raw)
    there = tmp_path / "there"
    for force in (False, True):
        with pytest.raises(DamagedSet, match=f"{newer.name} is damaged.*not what left the source") as caught:
            provider.restore(environ(), newer.name, str(there), force=force)
        assert caught.value.failure_class == "hash-differs"
        assert "joelclaw backup verify" in failure_of(caught.value).fix
        assert os.listdir(there) == [], "damaged bytes never get the file's name"
    told = provider.show(environ(), newer.name)
    assert (told["standing"], told["checks"]["damage"]["by"]) == ("damaged", "restore")
    assert provider.newest(environ(), TARGET)["id"] == stored.name
    assert (newer.parent / "latest").readlink().name == stored.name


@pytest.mark.parametrize("whose", ["another user's", "one with a second name", "one for all hands", "one for all eyes"])
def test_a_part_that_others_may_hold_is_not_gone_on_with(restored, stored, there, tmp_path, whose):
    whole, part, held = (stored / NAME).read_bytes(), there / COMING, tmp_path / "held"
    part.write_bytes(whole[:100])
    part.chmod(0o666 if whose == "one for all hands" else 0o644)
    match whose:
        case "another user's":
            if os.geteuid():
                pytest.fail("only root can give a file away") if os.environ.get("CI") else pytest.skip("wants root")
            os.chown(part, 12345, -1)
        case "one with a second name":
            os.link(part, held)
    assert restored() == len(whole) - (100 if whose == "one for all eyes" else 0)
    check_whole(there, stored)
    told = (there / NAME).stat()
    assert (told.st_uid, told.st_nlink, stat.S_IMODE(told.st_mode)) == (os.geteuid(), 1, 0o600)
    assert not held.exists() or held.read_bytes() == whole[:100], "nothing was written to what another name leads to"


def test_a_restore_wants_room_only_for_what_is_still_to_come(restored, stored, there, monkeypatch):
    whole = (stored / NAME).read_bytes()
    (there / COMING).write_bytes(whole[:-50])
    monkeypatch.setattr(LocalFolder, "free", lambda _: 49)
    with pytest.raises(BackupFailed, match="the restored copy") as caught:
        restored()
    assert caught.value.failure_class == "no-space-left"
    monkeypatch.setattr(LocalFolder, "free", lambda _: 50)
    assert restored() == 50
    check_whole(there, stored)


def test_a_part_that_cannot_be_read_is_begun_anew(restored, stored, there, monkeypatch):
    (there / COMING).write_bytes((stored / NAME).read_bytes()[:100])
    real = LocalReading.read
    with (there / COMING).open("rb") as bad:  # open all the while, so that no new file gets its number

        def read(reading: LocalReading) -> bytes:
            if os.path.sameopenfile(reading._fd, bad.fileno()):
                raise OSError(errno.EIO, "Input/output error")
            return real(reading)

        monkeypatch.setattr(LocalReading, "read", read)
        assert restored() == (stored / NAME).stat().st_size
    check_whole(there, stored)


@pytest.mark.parametrize("wrong", [100, 10_000], ids=["in part", "as long as the whole"])
def test_what_was_sent_behind_a_wrong_part_is_told_as_sent(restored, stored, there, wrong):
    size = (stored / NAME).stat().st_size
    (there / COMING).write_bytes(bytes(wrong))
    assert restored() == (size - wrong) + size
    check_whole(there, stored)


def test_of_two_restores_into_one_directory_the_second_is_refused(restored, stored, there):
    first = LocalFolder(there)
    assert first.lock()
    with pytest.raises(BackupFailed, match=r"another restore into .* is at work") as caught:
        restored()
    assert (caught.value.failure_class, os.listdir(there)) == ("resource-unavailable", [])
    first.close()
    restored()
    check_whole(there, stored)


def test_a_set_that_is_being_removed_is_not_restored(restored, stored, there):
    pruner = LocalFolder(stored)
    assert pruner.lock()
    with pytest.raises(FileNotFoundError, match="is being removed"):
        restored()
    pruner.close()
    assert os.listdir(there) == []


def test_the_file_that_is_in_the_way_is_named(stored, environ, there):
    (there / COMING).mkdir()
    with pytest.raises(NotRestored, match=f"can't be restored into {there}: {COMING}: "):
        provider.restore(environ(), stored.name, str(there))
