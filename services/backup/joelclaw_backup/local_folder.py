"""A directory of this machine, by its handle. Blocking.

Everything is named relative to the open directory, one component at a time and never through a link, so that what was
checked when the directory was opened is what is written to, whatever is mounted or linked in the meantime.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from joelclaw_backup.folder import Folder, Seen

BLOCK = 4 * 255 * 1024  # a whole number of what goes at once over SFTP; see `remote_files.py`
FLUSH = 32 * 1024 * 1024  # so much may be written before it is flushed: no flush at the end takes minutes

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalFolder:
    """See `folder.py`."""

    def __init__(self, path: str | os.PathLike[str], at: LocalFolder | None = None) -> None:
        self._fd: int = os.open(path, _READ | os.O_DIRECTORY, dir_fd=None if at is None else at._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def identity(self) -> tuple[int, int]:
        """(device, inode): whether a path still leads here."""
        told = os.fstat(self._fd)
        return told.st_dev, told.st_ino

    def names(self) -> list[str]:
        return os.listdir(self._fd)

    def see(self, name: str) -> Seen:
        told = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        kind = "file" if stat.S_ISREG(told.st_mode) else "folder" if stat.S_ISDIR(told.st_mode) else "other"
        return Seen(kind, told.st_size, told.st_mtime)

    def changed(self) -> float:
        return os.fstat(self._fd).st_mtime

    def folder(self, name: str) -> LocalFolder:
        return LocalFolder(name, self)

    def make(self, name: str) -> None:
        os.mkdir(name, 0o700, dir_fd=self._fd)
        self.sync()

    def read(self, name: str, *, start: int = 0, afresh: bool = True) -> LocalReading:
        # Not blocking: a FIFO in a file's place must not hang the reader.
        return LocalReading(name, os.open(name, _READ | os.O_NONBLOCK, dir_fd=self._fd), start, afresh=afresh)

    def create(self, name: str) -> LocalWriting:
        return LocalWriting(os.open(name, _WRITE | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._fd))

    def go_on(self, name: str, size: int, *, alone: bool = False) -> LocalWriting:
        fd = os.open(name, _WRITE | os.O_NONBLOCK, dir_fd=self._fd)
        try:
            if alone:
                _require_ours(name, fd)
            os.ftruncate(fd, size)
            os.lseek(fd, size, os.SEEK_SET)
        except BaseException:  # whatever it was: the handle is closed, and it goes on
            os.close(fd)
            raise
        return LocalWriting(fd)

    def unlink(self, name: str) -> None:
        os.unlink(name, dir_fd=self._fd)

    def rmdir(self, name: str) -> None:
        os.rmdir(name, dir_fd=self._fd)

    def rename(self, old: str, new: str, to: Folder | None = None) -> None:
        there = self if to is None else to
        assert isinstance(there, LocalFolder)
        os.replace(old, new, src_dir_fd=self._fd, dst_dir_fd=there._fd)

    def link(self, name: str, to: str) -> None:
        os.symlink(to, name, dir_fd=self._fd)

    def linked(self, name: str) -> str:
        return os.readlink(name, dir_fd=self._fd)

    def sync(self) -> None:
        os.fsync(self._fd)

    def lock(self, *, shared: bool = False) -> bool | None:
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # this file system can't lock directories
            return None
        return True

    def free(self) -> int:
        told = os.fstatvfs(self._fd)
        return told.f_bavail * told.f_frsize

    def about(self) -> dict[str, Any]:
        return {}


def _require_ours(name: str, fd: int) -> None:
    """The open file is this user's, under one name, nobody else could write it, and none can read it from now on: what
    is secret may go into it."""
    told = os.fstat(fd)
    shared = told.st_nlink != 1 or told.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISREG(told.st_mode) or told.st_uid != os.geteuid() or shared:
        raise PermissionError(errno.EPERM, "it is not ours alone", name)
    os.fchmod(fd, 0o600)


class LocalReading:
    """afresh: the disk is read, and not what was written to it lately: the page cache is told to forget the file."""

    def __init__(self, name: str, fd: int, start: int, *, afresh: bool) -> None:
        self._fd = fd
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            self.close()
            raise OSError(f"{name} is no plain file")
        os.lseek(fd, start, os.SEEK_SET)
        if afresh:
            with suppress(AttributeError, OSError):
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def read(self) -> bytes:
        return os.read(self._fd, BLOCK)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class LocalWriting:
    """Flushed on the way, too, by a thread beside: the next bytes are read, hashed and written meanwhile. A flush that
    failed fails the next one, or the last."""

    def __init__(self, fd: int) -> None:
        self._fd, self._loose = fd, 0
        self._flusher: ThreadPoolExecutor | None = None
        self._flushing: Future[None] | None = None

    def write(self, data: memoryview) -> None:
        self._loose += len(data)
        while data:
            data = data[os.write(self._fd, data) :]
        if self._loose >= FLUSH:
            self._flushed()
            self._flusher = self._flusher or ThreadPoolExecutor(1, "flush")
            self._flushing, self._loose = self._flusher.submit(os.fsync, self._fd), 0

    def sync(self) -> None:
        self._flushed()
        os.fsync(self._fd)
        self._loose = 0

    def _flushed(self) -> None:
        """Waits for the flush that is under way. OSError: it failed; the system tells that but once."""
        flushing, self._flushing = self._flushing, None
        if flushing is not None:
            flushing.result()

    def close(self) -> None:
        if self._flusher is not None:  # first: it must not flush what has this number next
            self._flusher.shutdown()
            self._flusher = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
