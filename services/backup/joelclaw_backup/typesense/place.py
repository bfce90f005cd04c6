"""Where a server puts its snapshots. Each is a directory of its own below a configured root, named after its artefact
and a random token, so that it is fresh, and so that nothing else is ever deleted. Blocking."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.policy import class_of

_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a snapshot: its path below the snapshot's directory, its size, and its bytes to be read once."""

    path: str
    size: int
    file: IO[bytes]


class Place(Protocol):
    """The roots of one server, on this machine or in its pod."""

    def members(self, root: str, name: str) -> Iterator[Member]:
        """Every file of a snapshot, in no order that matters; none where there is no such directory. BackupFailed."""

    def names(self, root: str) -> list[str]:
        """The snapshots of ours below a root, oldest first. BackupFailed."""

    def remove(self, root: str, name: str) -> None:
        """Away with one of ours. BackupFailed, ValueError for what is none of ours."""

    def trouble(self, root: str) -> BackupFailed | None:
        """What is wrong with the root itself, where that can be seen from here."""


def fresh_name(artefact: str) -> str:
    """A directory that nobody has used: a second snapshot into one would lie beside the first."""
    return f"{artefact}-{secrets.token_hex(4)}"


def is_ours(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def require_ours(name: str) -> None:
    """ValueError: nothing else is ever made into a path that is deleted."""
    if not is_ours(name):
        raise ValueError(f"{name!r} is no snapshot of ours")


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A server whose disk this machine sees under the same paths."""

    def members(self, root: str, name: str) -> Iterator[Member]:
        require_ours(name)
        try:
            yield from _files(Path(root) / name, "")
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            told = f"the snapshot {root}/{name} can't be read: {error.strerror or error}"
            raise BackupFailed(class_of(error), told) from error

    def names(self, root: str) -> list[str]:
        try:
            return sorted(name for name in os.listdir(root) if is_ours(name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise BackupFailed(class_of(error), f"{root} can't be listed: {error.strerror or error}") from error

    def remove(self, root: str, name: str) -> None:
        require_ours(name)
        try:
            at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                    shutil.rmtree(name, dir_fd=at)  # by handles: no link leads it out of the root
            finally:
                os.close(at)
        except FileNotFoundError:
            return
        except OSError as error:
            raise BackupFailed(class_of(error), f"{root}/{name} can't be removed: {error.strerror or error}") from error

    def trouble(self, root: str) -> BackupFailed | None:
        try:
            told = os.statvfs(root)
        except OSError as error:
            return BackupFailed(FailureClass.NO_SNAPSHOT_FILES, f"{root}: {error.strerror or error}")
        if not os.path.isdir(root):
            return BackupFailed(FailureClass.NO_SNAPSHOT_FILES, f"{root} is no directory")
        if told.f_blocks and told.f_bavail * told.f_frsize < 1024 * 1024:
            return BackupFailed(FailureClass.NO_SPACE_LEFT, f"{root}: no space left on its disk")
        return None


def _files(folder: Path, below: str) -> Iterator[Member]:
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        path = below + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _files(folder / entry.name, path + "/")
            continue
        fd = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            told = os.fstat(fd)
            if not stat.S_ISREG(told.st_mode):
                raise BackupFailed(FailureClass.SNAPSHOT_INVALID, f"the snapshot is not whole: {path} is no plain file")
            yield Member(path, told.st_size, file)
