"""The directory of one target below a destination: partial sets, published ones, `latest`. Blocking."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from joelclaw_backup.destination import Destination, open_root
from joelclaw_backup.files import make_directory, open_directory, read_small, replace_small
from joelclaw_backup.layout import LATEST, is_artefact_id, is_partial, partial_name, target_path


@dataclass(frozen=True, slots=True)
class Shelf:
    """An open shelf. `path` is for people and for programs that take no handle."""

    fd: int
    path: Path

    def new_partial(self, artefact: str) -> str:
        """The name of a fresh, empty partial directory."""
        name = partial_name(artefact, secrets.token_hex(4))
        os.mkdir(name, 0o700, dir_fd=self.fd)
        os.fsync(self.fd)
        return name

    def publish(self, partial: str, artefact: str) -> None:
        """The set appears under its name, whole, at once. FileExistsError, also for one that isn't empty."""
        if not is_partial(partial) or not is_artefact_id(artefact):
            raise ValueError(f"{partial!r} can't become {artefact!r}")
        if self.holds(artefact):  # rename would replace an empty directory
            raise FileExistsError(f"{artefact} is there already")
        os.rename(partial, artefact, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        os.fsync(self.fd)

    def holds(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def point_latest(self, artefact: str) -> None:
        """A link, so that `latest/dump.rdb` can be typed at night; a file where a share knows no links."""
        temporary = f".{LATEST}.{secrets.token_hex(4)}"
        try:
            os.symlink(artefact, temporary, dir_fd=self.fd)
        except OSError:
            replace_small(LATEST, artefact.encode() + b"\n", self.fd)
            return
        os.replace(temporary, LATEST, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        os.fsync(self.fd)

    def drop_latest(self) -> None:
        """No set is the newest good one any more."""
        with suppress(FileNotFoundError):
            os.unlink(LATEST, dir_fd=self.fd)
            os.fsync(self.fd)

    def latest(self) -> str:
        """The artefact that `latest` names; empty if there is none."""
        try:
            return os.readlink(LATEST, dir_fd=self.fd)
        except FileNotFoundError:
            return ""
        except OSError:
            return read_small(LATEST, self.fd).decode("utf-8", "replace").strip()

    def artefacts(self) -> list[str]:
        """The names that artefacts can have, oldest name first; what lies behind them is for others to read."""
        return sorted(name for name in os.listdir(self.fd) if is_artefact_id(name))


@contextmanager
def open_shelf(destination: Destination, target: str, *, make: bool = True) -> Iterator[Shelf]:
    """The shelf of a target; without `make` nothing is written. BackupFailed when the destination isn't right;
    FileNotFoundError without `make` when nothing was ever kept there."""
    handles = [open_root(destination)]
    try:
        for part in target_path(target):
            handles.append((make_directory if make else open_directory)(part, handles[-1]))
        yield Shelf(handles[-1], destination.root.joinpath(*target_path(target)))
    finally:
        for fd in handles:
            os.close(fd)
