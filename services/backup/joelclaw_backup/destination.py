"""Where copies are kept, and the check before a single byte is written there.

| kind      | must be                                                                                       |
|-----------|-----------------------------------------------------------------------------------------------|
| directory | there (one in the state directory is made: it is ours)                                        |
| mount     | a mount point by the mount table, with the sentinel file in it; else 0 bytes go below it      |
| ssh       | a directory on the NAS itself, with the sentinel file in it, behind a host key that we know   |

The answer is an open folder: all that follows goes through it, so that an unmount in between can't redirect a write.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.folder import Folder
from joelclaw_backup.local_folder import LocalFolder
from joelclaw_backup.policy import class_of
from joelclaw_backup.space import require_room
from joelclaw_backup.ssh_options import SshOptions
from joelclaw_contracts.config import SENTINEL
from joelclaw_healing.mounts import TABLE, is_mount_point


@dataclass(frozen=True, slots=True)
class Destination:
    """`ours`: in the state directory, so we may make it. `label` tells people what the copies are worth;
    `reserve`: bytes that stay free there whatever we keep; `ssh`: how the other machine is reached."""

    kind: Literal["directory", "mount", "ssh"]
    root: Path
    tier: str = "hdd"
    label: str = ""
    ours: bool = False
    reserve: int = 0
    ssh: SshOptions | None = None

    @property
    def path(self) -> Path:
        """The root as people name it; over SSH with the host before it, as scp has it."""
        return self.root if self.ssh is None else Path(f"{self.ssh.shown}:{self.root}")

    @property
    def mode(self) -> Literal["local", "remote"]:
        """How copies travel there."""
        return "local" if self.ssh is None else "remote"


def open_root(destination: Destination) -> Folder:
    """The checked root; the caller closes it. BackupFailed says why not. Blocking."""
    if destination.ssh is not None:
        return _open_remote(destination, destination.ssh)
    root = destination.root
    try:
        if destination.ours:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = LocalFolder(root.resolve())
    except OSError as error:
        kind = class_of(error)
        if destination.kind == "mount" and kind is FailureClass.UNREACHABLE:
            kind = FailureClass.NOT_MOUNTED
        raise BackupFailed(kind, f"destination {root} is {_word(kind)}: {error.strerror or error}") from error
    try:
        if destination.kind == "mount":
            _require_mount(root.resolve(), folder)
        return folder
    except BaseException:  # whatever it was: the handle is not leaked, and it goes on
        folder.close()
        raise


def checking(destination: Destination, needed: int = 0) -> Generator[None, None, dict[str, Any]]:
    """Whether it can be used now, for so many bytes: {"free", and what the folder says about itself}. BackupFailed says
    why not. For a child."""
    with closing(open_root(destination)) as folder:
        yield
        require_room(folder, needed, destination.reserve, f"a copy at {destination.path}")
        return {"free": folder.free(), **folder.about()}


def _open_remote(destination: Destination, ssh: SshOptions) -> Folder:
    from joelclaw_backup.remote_folder import open_remote  # asyncssh takes a third of a second to load

    try:
        folder = open_remote(ssh, str(destination.root))
    except OSError as error:
        kind = class_of(error)
        why = f"destination {destination.path} is {_word(kind)}: {error.strerror or error}"
        raise BackupFailed(kind, why) from error
    try:
        _require_sentinel(destination.path, folder)
        return folder
    except BaseException:  # whatever it was: the connection is not leaked, and it goes on
        folder.close()
        raise


def _require_mount(root: Path, folder: LocalFolder) -> None:
    table = TABLE.read_text("utf-8", "replace") if TABLE.exists() else None
    there = root.stat()
    if not is_mount_point(str(root), folder.identity()[0], root.parent.stat().st_dev, table):
        raise _not_mounted(root, "nothing is mounted there")
    if folder.identity() != (there.st_dev, there.st_ino):
        raise _not_mounted(root, "what is mounted there changed while it was looked at")
    _require_sentinel(root, folder)


def _require_sentinel(root: Path, folder: Folder) -> None:
    try:
        found = folder.see(SENTINEL).is_file
    except OSError:
        found = False
    if not found:
        what = f"its sentinel file {SENTINEL} is missing; if this is the right file system, put an empty one there"
        raise _not_mounted(root, what)


def _not_mounted(root: Path, why: str) -> BackupFailed:
    return BackupFailed(FailureClass.NOT_MOUNTED, f"destination {root} is unreachable: {why}; nothing was written")


def _word(kind: FailureClass) -> str:
    return "not usable" if kind is FailureClass.PERMISSION_DENIED else "unreachable"
