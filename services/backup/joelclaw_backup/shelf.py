"""The directory of one target below a destination: partial sets, published ones, `latest`. Blocking."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from joelclaw_backup.destination import Destination, open_root
from joelclaw_backup.files import make_directory, open_directory, read_small, replace_small
from joelclaw_backup.folder import Folder
from joelclaw_backup.layout import LATEST, is_artefact_id, is_partial, partial_name, target_path


@dataclass(frozen=True, slots=True)
class Shelf:
    """An open shelf. `path` is for people and for programs that take no handle."""

    folder: Folder
    path: Path

    def new_partial(self, artefact: str) -> str:
        """The name of a fresh, empty partial directory."""
        name = partial_name(artefact, secrets.token_hex(4))
        self.folder.make(name)
        return name

    def publish(self, partial: str, artefact: str) -> None:
        """The set appears under its name, whole, at once. FileExistsError, also for one that isn't empty."""
        if not is_partial(partial) or not is_artefact_id(artefact):
            raise ValueError(f"{partial!r} can't become {artefact!r}")
        if self.holds(artefact):  # rename would replace an empty directory
            raise FileExistsError(f"{artefact} is there already")
        self.folder.rename(partial, artefact)
        self.folder.sync()

    def holds(self, name: str) -> bool:
        try:
            self.folder.see(name)
        except FileNotFoundError:
            return False
        return True

    def point_latest(self, artefact: str) -> None:
        """A link, so that `latest/dump.rdb` can be typed at night; a file where a share knows no links."""
        temporary = f".{LATEST}.{secrets.token_hex(4)}"
        try:
            self.folder.link(temporary, artefact)
        except OSError:
            replace_small(LATEST, artefact.encode() + b"\n", self.folder)
            return
        self.folder.rename(temporary, LATEST)
        self.folder.sync()

    def drop_latest(self) -> None:
        """No set is the newest good one any more."""
        if not self.holds(LATEST):  # where nothing can be written, taking away what isn't there is refused, too
            return
        with suppress(FileNotFoundError):
            self.folder.unlink(LATEST)
            self.folder.sync()

    def latest(self) -> str:
        """The artefact that `latest` names; empty if there is none."""
        try:
            return self.folder.linked(LATEST)
        except FileNotFoundError:
            return ""
        except OSError:
            return read_small(LATEST, self.folder).decode("utf-8", "replace").strip()

    def artefacts(self) -> list[str]:
        """The names that artefacts can have, oldest name first; what lies behind them is for others to read."""
        return sorted(name for name in self.folder.names() if is_artefact_id(name))


@contextmanager
def open_shelf(destination: Destination, target: str, *, make: bool = True) -> Iterator[Shelf]:
    """The shelf of a target; without `make` nothing is written. BackupFailed when the destination isn't right;
    FileNotFoundError without `make` when nothing was ever kept there."""
    with ExitStack() as stack:
        folder = stack.enter_context(closing(open_root(destination)))
        for part in target_path(target):
            folder = stack.enter_context(closing((make_directory if make else open_directory)(part, folder)))
        yield Shelf(folder, destination.path.joinpath(*target_path(target)))
