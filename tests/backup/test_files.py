"""Files are flushed as they are written, and only plain ones are read."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from joelclaw_backup import local_folder
from joelclaw_backup.files import HashingFile, copying, going_on, hashing, open_directory, read_small
from joelclaw_backup.killable import finished
from joelclaw_backup.local_folder import BLOCK


def test_a_copy_is_flushed_on_the_way_and_at_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(local_folder, "FLUSH", 2 * BLOCK)
    flushed, real = [], os.fsync
    monkeypatch.setattr("os.fsync", lambda fd: (flushed.append(os.fstat(fd).st_size), real(fd)))
    (tmp_path / "a").write_bytes(b"x" * 5 * BLOCK)
    (tmp_path / "b").mkdir()
    source, target = open_directory(tmp_path), open_directory(tmp_path / "b")
    finished(copying("a", source, target))
    assert (len(flushed), flushed[-1]) == (3, 5 * BLOCK), "after two blocks, after four, at the end"


def test_a_flush_on_the_way_that_fails_fails_the_copy(tmp_path, monkeypatch):
    """The system tells it but once: the flush at the end would hear nothing of it."""
    monkeypatch.setattr(local_folder, "FLUSH", 2 * BLOCK)
    answers, real = [OSError(errno.EIO, "Input/output error")], os.fsync

    def fsync(fd):
        if answers:
            raise answers.pop()
        real(fd)

    monkeypatch.setattr("os.fsync", fsync)
    (tmp_path / "a").write_bytes(b"x" * 3 * BLOCK)
    (tmp_path / "b").mkdir()
    with pytest.raises(OSError, match="Input/output error"):
        finished(copying("a", open_directory(tmp_path), open_directory(tmp_path / "b")))


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_only_plain_files_are_read_and_only_new_ones_written(tmp_path, kind):
    (tmp_path / "real").write_bytes(b"x")
    match kind:
        case "link":
            (tmp_path / "it").symlink_to(tmp_path / "real")
        case "fifo":
            os.mkfifo(tmp_path / "it")
        case _:
            (tmp_path / "it").mkdir()
    at = open_directory(tmp_path)
    with pytest.raises(OSError, match="it"):
        read_small("it", at)
    with pytest.raises(FileExistsError):
        HashingFile("it", at)


def test_what_judges_a_file_reads_the_disk_and_what_sends_one_on_may_read_memory(tmp_path, monkeypatch):
    forgotten, real = [], os.posix_fadvise

    def advised(fd, *rest):
        forgotten.append(os.readlink(f"/proc/self/fd/{fd}"))
        real(fd, *rest)

    monkeypatch.setattr("os.posix_fadvise", advised)
    (tmp_path / "a").write_bytes(b"x" * BLOCK)
    (tmp_path / "b").mkdir()
    source, target = open_directory(tmp_path), open_directory(tmp_path / "b")
    sent = finished(copying("a", source, target, afresh=False))
    assert forgotten == []
    assert finished(going_on("a", source, target)) == (sent, BLOCK)
    assert finished(hashing("a", source)) == sent
    assert finished(copying("a", source, target, "again")).sha256 == sent.sha256
    assert forgotten == [str(tmp_path / "b" / "a"), *[str(tmp_path / "a")] * 2]


def test_a_file_is_not_closed_while_a_flush_of_it_is_under_way(tmp_path, monkeypatch):
    """Its number would be another file's by then."""
    monkeypatch.setattr(local_folder, "FLUSH", 1)
    told, flushing, closing = list[str](), threading.Event(), threading.Event()
    folder = open_directory(tmp_path)
    file = folder.create("a")
    real = os.close

    class Flusher(ThreadPoolExecutor):
        def shutdown(self, *args, **kwargs):
            closing.set()
            super().shutdown(*args, **kwargs)

    def fsync(_):
        flushing.set()
        assert closing.wait(60)
        told.append("flushed")

    def close(fd):
        told.append("closed")
        closing.set()
        real(fd)

    with monkeypatch.context() as patched:
        patched.setattr(local_folder, "ThreadPoolExecutor", Flusher)
        patched.setattr("os.fsync", fsync)
        file.write(memoryview(b"x"))
        assert flushing.wait(60)
        patched.setattr("os.close", close)
        file.close()
        told.append("on")
    folder.close()
    assert told == ["flushed", "closed", "on"]
