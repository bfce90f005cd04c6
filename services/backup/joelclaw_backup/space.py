"""Room on a disk, asked before it is used: a backup that fills a disk mutes whatever else writes there.

`reserve` stays free whatever we keep: on the suite's own disk the store's append-only file lives from it.
"""

from __future__ import annotations

import os

from joelclaw_backup.failure import BackupFailed, FailureClass

MIB = 1024 * 1024


def free_bytes(fd: int) -> int:
    """What this user may still write to the file system of an open directory or file."""
    told = os.fstatvfs(fd)
    return told.f_bavail * told.f_frsize


def require_room(fd: int, needed: int, reserve: int, what: str) -> None:
    """BackupFailed (no-space-left) with the figures, unless `needed` fits and `reserve` stays."""
    free = free_bytes(fd)
    if free < needed + reserve:
        told = f"{what} needs {needed / MIB:.1f} MiB and {reserve / MIB:.0f} MiB must stay free"
        raise BackupFailed(FailureClass.NO_SPACE_LEFT, f"{told}; {free / MIB:.1f} MiB are free")
