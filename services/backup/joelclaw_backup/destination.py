"""Where copies are kept, and the check before a single byte is written there.

| kind      | must be                                                                                       |
|-----------|-----------------------------------------------------------------------------------------------|
| directory | there (one in the state directory is made: it is ours)                                        |
| mount     | a mount point by the mount table, with the sentinel file in it; else 0 bytes go below it      |

The answer is an open handle: all that follows goes through it, so that an unmount in between can't redirect a write.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.files import open_directory
from joelclaw_backup.policy import class_of
from joelclaw_backup.space import free_bytes, require_room
from joelclaw_contracts.config import SENTINEL
from joelclaw_healing.mounts import TABLE, is_mount_point


@dataclass(frozen=True, slots=True)
class Destination:
    """`ours`: in the state directory, so we may make it. `label` tells people what the copies are worth;
    `reserve`: bytes that stay free there whatever we keep."""

    kind: Literal["directory", "mount"]
    root: Path
    tier: str = "hdd"
    label: str = ""
    ours: bool = False
    reserve: int = 0


def open_root(destination: Destination) -> int:
    """A handle on the checked root; the caller closes it. BackupFailed says why not. Blocking."""
    root = destination.root
    try:
        if destination.ours:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = open_directory(root.resolve())
    except OSError as error:
        kind = class_of(error)
        if destination.kind == "mount" and kind is FailureClass.UNREACHABLE:
            kind = FailureClass.NOT_MOUNTED
        raise BackupFailed(kind, f"destination {root} is {_word(kind)}: {error.strerror or error}") from error
    try:
        if destination.kind == "mount":
            _require_mount(root.resolve(), fd)
        return fd
    except BaseException:
        os.close(fd)
        raise


def checking(destination: Destination, needed: int = 0) -> Generator[None, None, dict[str, int]]:
    """Whether it can be used now, for so many bytes: {"free"}. BackupFailed says why not. For a child."""
    fd = open_root(destination)
    try:
        yield
        require_room(fd, needed, destination.reserve, f"a copy at {destination.root}")
        return {"free": free_bytes(fd)}
    finally:
        os.close(fd)


def _require_mount(root: Path, fd: int) -> None:
    table = TABLE.read_text("utf-8", "replace") if TABLE.exists() else None
    here, there = os.fstat(fd), root.stat()
    if not is_mount_point(str(root), here.st_dev, root.parent.stat().st_dev, table):
        raise _not_mounted(root, "nothing is mounted there")
    if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
        raise _not_mounted(root, "what is mounted there changed while it was looked at")
    try:
        sentinel = os.stat(SENTINEL, dir_fd=fd, follow_symlinks=False)
    except OSError:
        sentinel = None
    if sentinel is None or not stat.S_ISREG(sentinel.st_mode):
        what = f"its sentinel file {SENTINEL} is missing; if this is the right file system, put an empty one there"
        raise _not_mounted(root, what)


def _not_mounted(root: Path, why: str) -> BackupFailed:
    return BackupFailed(FailureClass.NOT_MOUNTED, f"destination {root} is unreachable: {why}; nothing was written")


def _word(kind: FailureClass) -> str:
    return "not usable" if kind is FailureClass.PERMISSION_DENIED else "unreachable"
