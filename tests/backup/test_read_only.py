"""A share that can be read and not written: what a look found is told, and remembered on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from joelclaw_backup import provider
from joelclaw_backup.destination import Destination
from joelclaw_backup.killable import finished
from joelclaw_backup.looking import Shelved, rechecking
from tests.backup.faults.places import read_only, require_root
from tests.support.shelves import Shelf

TARGET = "typesense"


@pytest.fixture
def shelf(tmp_path: Path, nas: Path) -> Shelf:
    require_root()
    return Shelf(nas, tmp_path / "state/backup-checks" / TARGET)


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[5000] ^= 1
    path.write_bytes(raw)


def test_a_claimed_set_that_is_good_is_verified_and_one_that_is_damaged_is_called_so(shelf, environ, nas):
    good, bad = (shelf.add(n, TARGET, noted=False) for n in range(2))
    flip(bad / "snapshot.tar")
    with read_only(nas):
        told = provider.verify(environ(), bad.name)
        assert (told["verdict"], told["standing"]) == ("hash-differs", "damaged")
        told = provider.verify(environ(), good.name)
        assert (told["ok"], told["standing"]) == (True, "verified")
        assert provider.newest(environ(), TARGET)["id"] == good.name
    assert not (good.parent / "latest").is_symlink()


def test_the_last_verified_set_that_is_damaged_is_called_so_though_the_link_stays(shelf, environ, nas):
    path = shelf.add(0, TARGET)
    assert provider.verify(environ(), path.name)["ok"]
    link = path.parent / "latest"
    assert link.readlink().name == path.name
    flip(path / "snapshot.tar")
    at = Shelved(Destination("directory", nas), TARGET, shelf.aside)
    with read_only(nas):
        assert finished(rechecking(at, ""))["verdict"] == "hash-differs"
        assert provider.show(environ(), path.name)["standing"] == "damaged"
        assert provider.newest(environ(), TARGET) is None
    assert link.is_symlink(), "it could not be taken away"
    provider.verify(environ(), path.name)
    assert not link.is_symlink(), "the next look that can write does it"
