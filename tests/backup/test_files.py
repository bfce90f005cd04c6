"""Files are flushed as they are written, and only plain ones are read."""

from __future__ import annotations

import pytest

from joelclaw_backup import files
from joelclaw_backup.files import HashingFile, copying, open_directory, read_small


def test_a_copy_is_flushed_on_the_way_and_at_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "FLUSH", 2 * files.BLOCK)
    flushed, real = [], files.os.fsync
    monkeypatch.setattr("os.fsync", lambda fd: (flushed.append(files.os.fstat(fd).st_size), real(fd)))
    (tmp_path / "a").write_bytes(b"x" * 5 * files.BLOCK)
    (tmp_path / "b").mkdir()
    source, target = open_directory(tmp_path), open_directory(tmp_path / "b")
    for _ in copying("a", source, target):
        pass
    assert flushed == [n * files.BLOCK for n in (2, 4, 5)]


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_only_plain_files_are_read_and_only_new_ones_written(tmp_path, kind):
    (tmp_path / "real").write_bytes(b"x")
    match kind:
        case "link":
            (tmp_path / "it").symlink_to(tmp_path / "real")
        case "fifo":
            files.os.mkfifo(tmp_path / "it")
        case _:
            (tmp_path / "it").mkdir()
    at = open_directory(tmp_path)
    with pytest.raises(OSError, match="it"):
        read_small("it", at)
    with pytest.raises(FileExistsError):
        HashingFile("it", at)
