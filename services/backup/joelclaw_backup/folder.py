"""What the service needs of a directory, wherever it lies. Protocols and nouns only.

| room                | a folder is                                                                         |
|---------------------|-------------------------------------------------------------------------------------|
| local_folder.py     | a handle of this machine's: a plain directory, or a share that is mounted           |
| remote_folder.py    | a path on another machine, over SFTP                                                |

Everything above (shelves, sets, retention, restoring) is written once, for both. Names are single components. Trouble
is an OSError with its errno, as the system would say it; a connection that fails is a BackupFailed of its own class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry as it lies there; a link is itself, and never followed. changed: s since the epoch."""

    kind: str
    size: int
    changed: float

    @property
    def is_file(self) -> bool:
        return self.kind == "file"

    @property
    def is_folder(self) -> bool:
        return self.kind == "folder"


class Reading(Protocol):
    """A plain file, open."""

    def read(self) -> bytes:
        """The next block, empty at the end."""

    def close(self) -> None: ...


class Writing(Protocol):
    """A file that is being written."""

    def write(self, data: memoryview) -> None:
        """All of it, in its order; it may be on its way still when this returns."""

    def sync(self) -> None:
        """All that was written is on the disk."""

    def close(self) -> None: ...


class Folder(Protocol):
    """An open directory."""

    def close(self) -> None: ...
    def names(self) -> list[str]: ...
    def see(self, name: str) -> Seen:
        """FileNotFoundError."""

    def changed(self) -> float:
        """When an entry of it last came or went, s since the epoch."""

    def folder(self, name: str) -> Folder:
        """A directory in it that is no link. FileNotFoundError, NotADirectoryError."""

    def make(self, name: str) -> None:
        """A directory in it, durable. FileExistsError."""

    def read(self, name: str, *, start: int = 0, afresh: bool = True) -> Reading:
        """OSError, also for what is no plain file. start: bytes that are left out. afresh: from the disk where that can
        be asked for, as whoever judges what lies there must; one who sends it on and compares its hash may have what
        memory still holds."""

    def create(self, name: str) -> Writing:
        """A new file. FileExistsError."""

    def go_on(self, name: str, size: int, *, alone: bool = False) -> Writing:
        """A file that is there, cut to `size`, from its end. alone: OSError unless it belongs to us and has no other
        name; nobody else can open it from then on."""

    def unlink(self, name: str) -> None: ...
    def rmdir(self, name: str) -> None:
        """OSError (ENOTEMPTY) for one that is not empty."""

    def rename(self, old: str, new: str, to: Folder | None = None) -> None:
        """Another name, here or in `to`; what has it is replaced in the same moment."""

    def link(self, name: str, to: str) -> None:
        """A symbolic link; OSError where they are not known."""

    def linked(self, name: str) -> str:
        """What a link says. FileNotFoundError; OSError for what is none."""

    def sync(self) -> None:
        """Its entries are on the disk, where that can be asked for."""

    def lock(self, *, shared: bool = False) -> bool | None:
        """True: ours until it is closed. False: another's. None: nobody can lock here."""

    def free(self) -> int | None:
        """Bytes that we may still write there; None where it is not told."""

    def about(self) -> dict[str, Any]:
        """What people should know of it; JSON-able."""
