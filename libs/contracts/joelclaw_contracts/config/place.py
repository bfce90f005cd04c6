"""Where backups are kept: one rule for whoever writes there, whoever lists it, and whoever watches it.

| configured                                | place                                             |
|-------------------------------------------|---------------------------------------------------|
| `backup.destination.path`                 | that; a `directory` unless `kind` says `mount`    |
| a NAS, and not `kind` `directory`         | the NAS's root of `tier`, as a `mount`            |
| neither                                   | the state directory: "same disk", and ours to make |
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .effective import Config

DEFAULT_STATE = Path(".joelclaw") / "state"
SAME_DISK = "same disk"
SENTINEL = ".joelclaw-destination"
"""The file in a `mount` that tells the right file system from any other; nothing is written without it."""


class PlaceMissing(Exception):
    """A mount is wanted, and nothing says which."""

    key = "backup.destination.path"
    problem = "is not set, and no NAS is configured"
    remedy = "name the mount point"

    def __init__(self) -> None:
        super().__init__(f"{self.key} {self.problem}; {self.remedy}")


@dataclass(frozen=True, slots=True)
class BackupPlace:
    """`label`: what copies there are worth, for people; `ours`: the state directory, which the first backup makes."""

    kind: Literal["directory", "mount"]
    root: Path
    tier: str
    label: str
    ours: bool = False


def backup_place(config: Config, state_dir: Path) -> BackupPlace:
    """The place, by the table above. PlaceMissing."""
    wanted, nas = config.backup.destination, config.transport.nas
    if wanted.path:
        kind = wanted.kind or "directory"
        root = Path(wanted.path)
        return BackupPlace(kind, root, wanted.tier, SAME_DISK if _same_disk(root, state_dir) else kind)
    if nas is not None and wanted.kind != "directory":
        return BackupPlace("mount", Path(nas.hdd_root if wanted.tier == "hdd" else nas.nvme_root), wanted.tier, "NAS")
    if wanted.kind == "mount":
        raise PlaceMissing
    return BackupPlace("directory", state_dir, wanted.tier, SAME_DISK, ours=True)


def state_directory(environ: Mapping[str, str]) -> Path:
    """JOELCLAW_STATE_DIR, else `~/.joelclaw/state`."""
    home = Path(environ.get("HOME") or "/")
    named = environ.get("JOELCLAW_STATE_DIR", "").strip()
    if not named:
        return home / DEFAULT_STATE
    return (home / named[2:] if named.startswith("~/") else Path(named)).absolute()


def _same_disk(root: Path, state_dir: Path) -> bool:
    """Whether one broken disk takes the copies along with the state; False when it can't be told."""
    try:
        there = next(p for p in (state_dir, *state_dir.parents) if p.exists())
        return os.stat(root).st_dev == os.stat(there).st_dev
    except OSError:
        return False
