"""A directory that is being written: locked while a process is at it, so that a sweep removes only what a crash left.

The kernel drops the lock with the process, however it ends. Where a share can lock no directory, age stands in for it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from joelclaw_backup.files import open_directory
from joelclaw_backup.layout import is_leftover, is_partial

OLD = 24 * 3600.0  # seconds without a change
HALF = 600.0  # a small file is written in far less


class StillWritten(RuntimeError):
    """Another process holds this directory; perhaps one that was frozen and is about to end."""


@contextmanager
def at_work_in(name: str, at: int) -> Iterator[int]:
    """A handle on a partial directory, locked. FileNotFoundError; StillWritten."""
    fd = open_directory(name, at)
    try:
        if _lock(fd) is False:
            raise StillWritten(f"{name} is still being written by another process")
        yield fd
    finally:
        os.close(fd)


def sweep(at: int, *, now: float | None = None, spare: str = "") -> int:
    """Remove the partial directories that nobody works in; bytes freed. Files that vanish meanwhile are no matter."""
    freed, moment = 0, time.time() if now is None else now
    for name in sorted(os.listdir(at)):
        if is_leftover(name):  # half of a small file, from a process that died before it got its name
            with suppress(OSError):
                if moment - os.stat(name, dir_fd=at, follow_symlinks=False).st_mtime > HALF:
                    os.unlink(name, dir_fd=at)
        if is_partial(name) and name != spare:
            try:
                fd = open_directory(name, at)
            except OSError:  # gone already, or a link, which is nothing of ours
                continue
            try:
                locked = _lock(fd)
                fresh = moment - os.fstat(fd).st_mtime < OLD
                if locked is True or (locked is None and not fresh):
                    freed += remove(name, fd, at)
            finally:
                os.close(fd)
    return freed


def remove(name: str, fd: int, at: int) -> int:
    """Remove a directory and the files and links in it; bytes freed. A directory inside stays, and so does it."""
    freed = 0
    for entry in os.listdir(fd):
        told = os.stat(entry, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISDIR(told.st_mode):
            continue
        os.unlink(entry, dir_fd=fd)
        freed += told.st_size
    try:
        os.rmdir(name, dir_fd=at)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
    return freed


def _lock(fd: int) -> bool | None:
    """True: ours until the handle is closed. False: another's. None: this file system can't lock directories."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
