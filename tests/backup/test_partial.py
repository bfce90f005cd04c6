"""What a crash leaves is swept; what somebody still writes is not."""

from __future__ import annotations

import os
import time

import pytest

from joelclaw_backup.destination import Destination
from joelclaw_backup.partial import OLD, StillWritten, at_work_in, sweep
from joelclaw_backup.shelf import open_shelf

ID = "20261122T000000Z-aaaaaaaaaaaa"


@pytest.fixture
def shelf(nas):
    with open_shelf(Destination("directory", nas), "redis") as opened:
        yield opened


def leave(shelf) -> str:
    name = shelf.new_partial(ID)
    (shelf.path / name / "dump.rdb").write_bytes(b"12345")
    return name


def test_what_nobody_writes_is_removed(shelf):
    leave(shelf), leave(shelf)
    assert sweep(shelf.folder) == 10
    assert shelf.folder.names() == []


def test_what_somebody_writes_is_spared(shelf):
    name = leave(shelf)
    with at_work_in(name, shelf.folder):
        assert sweep(shelf.folder) == 0
        with pytest.raises(StillWritten, match=name), at_work_in(name, shelf.folder):
            pass
    assert sweep(shelf.folder) == 5


def test_only_what_looks_like_ours_is_removed(shelf, nas, tmp_path):
    (nas / "backups" / "typesense").mkdir()
    other = nas / "backups" / "typesense" / f"{ID}.00000000.partial"
    other.mkdir()
    kept = {ID, "x.partial", f"{ID}.partial", f"{ID}.zzzzzzzz.partial", "latest"}
    for name in kept:
        (shelf.path / name).mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (shelf.path / f"{ID}.11111111.partial").symlink_to(outside)
    sweep(shelf.folder)
    assert set(shelf.folder.names()) == kept | {f"{ID}.11111111.partial"}
    assert other.is_dir()
    assert (outside / "precious").exists()


def test_links_inside_are_removed_and_not_followed(shelf, tmp_path):
    (tmp_path / "precious").write_text("x")
    name = leave(shelf)
    (shelf.path / name / "link").symlink_to(tmp_path / "precious")
    (shelf.path / name / "inner").mkdir()
    sweep(shelf.folder)
    assert (tmp_path / "precious").read_text() == "x"
    assert os.listdir(shelf.path / name) == ["inner"]


def test_where_nothing_can_be_locked_age_decides(shelf, monkeypatch):
    def refused(*_):
        raise OSError(95, "not supported")

    monkeypatch.setattr("fcntl.flock", refused)
    leave(shelf)
    assert sweep(shelf.folder) == 0
    assert sweep(shelf.folder, now=time.time() + OLD + 1) == 5


def test_a_set_is_published_once(shelf):
    one, two = leave(shelf), leave(shelf)
    shelf.publish(one, ID)
    with pytest.raises(FileExistsError):
        shelf.publish(two, ID)
    with pytest.raises(ValueError, match="can't become"):
        shelf.publish(two, "../x")


def test_latest_is_a_link_or_where_there_are_none_a_file(shelf, monkeypatch):
    shelf.point_latest(ID)
    assert (shelf.latest(), os.readlink(shelf.path / "latest")) == (ID, ID)

    def refused(*_, **__):
        raise OSError(95, "not supported")

    monkeypatch.setattr("os.symlink", refused)
    shelf.point_latest(ID.replace("2026", "2027"))
    assert (shelf.path / "latest").is_file()
    assert shelf.latest() == ID.replace("2026", "2027")
