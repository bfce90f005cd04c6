"""Room on a disk, asked before it is used: a backup that fills a disk mutes whatever else writes there.

`reserve` stays free whatever we keep: on the suite's own disk the store's append-only file lives from it.
"""

from __future__ import annotations

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.folder import Folder

MIB = 1024 * 1024


def require_room(folder: Folder, needed: int, reserve: int, what: str) -> None:
    """BackupFailed (no-space-left) with the figures, unless `needed` fits and `reserve` stays. Where no figure is told,
    the disk itself says when it is full."""
    free = folder.free()
    if free is not None and free < needed + reserve:
        told = f"{what} needs {needed / MIB:.1f} MiB and {reserve / MIB:.0f} MiB must stay free"
        raise BackupFailed(FailureClass.NO_SPACE_LEFT, f"{told}; {free / MIB:.1f} MiB are free")
