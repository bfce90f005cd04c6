"""A directory that is being written: locked while a process is at it, so that a sweep removes only what a crash left.

The kernel drops the lock with the process, however it ends. Where a share can lock no directory, age stands in for it.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from joelclaw_backup.folder import Folder
from joelclaw_backup.layout import is_leftover, is_partial

OLD = 24 * 3600.0  # seconds without a change
HALF = 600.0  # a small file is written in far less


class StillWritten(RuntimeError):
    """Another process holds this directory; perhaps one that was frozen and is about to end."""


@contextmanager
def at_work_in(name: str, at: Folder) -> Iterator[Folder]:
    """A handle on a partial directory, locked. FileNotFoundError; StillWritten."""
    with closing(at.folder(name)) as folder:
        if folder.lock() is False:
            raise StillWritten(f"{name} is still being written by another process")
        yield folder


def sweep(at: Folder, *, now: float | None = None, spare: str = "") -> int:
    """Remove the partial directories that nobody works in; bytes freed. Files that vanish meanwhile are no matter."""
    freed, moment = 0, time.time() if now is None else now
    for name in sorted(at.names()):
        if is_leftover(name):  # half of a small file, from a process that died before it got its name
            with suppress(OSError):
                if moment - at.see(name).changed > HALF:
                    at.unlink(name)
        if is_partial(name) and name != spare:
            try:
                folder = at.folder(name)
            except OSError:  # gone already, or a link, which is nothing of ours
                continue
            with closing(folder):
                locked = folder.lock()
                fresh = moment - folder.changed() < OLD
                if locked is True or (locked is None and not fresh):
                    freed += remove(name, folder, at)
    return freed


def remove(name: str, folder: Folder, at: Folder) -> int:
    """Remove a directory and the files and links in it; bytes freed. A directory inside stays, and so does it."""
    freed = 0
    for entry in folder.names():
        seen = folder.see(entry)
        if seen.is_folder:
            continue
        folder.unlink(entry)
        freed += seen.size
    try:
        at.rmdir(name)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
    return freed
