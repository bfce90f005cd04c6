"""A set brought to this machine's own disk, hashed on the way: what is restored is what was compared."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from joelclaw_backup.destination import Destination
from joelclaw_backup.files import open_directory
from joelclaw_backup.folder import Folder
from joelclaw_backup.inspection import Inspected, inspecting
from joelclaw_backup.partial import at_work_in, remove, sweep
from joelclaw_backup.shelf import open_shelf
from joelclaw_backup.space import require_room

FETCHED = "fetched"


@dataclass(frozen=True, slots=True)
class Scratch:
    """A directory of this process's own; `reserve` stays free on its disk."""

    path: Path
    reserve: int


@contextmanager
def scratch_in(staging: Destination, artefact: str) -> Iterator[Scratch]:
    """Locked while the block lasts, removed with it; what a crash left of earlier ones is swept first. Blocking."""
    with open_shelf(staging, FETCHED) as shelf:
        sweep(shelf.folder)
        partial = shelf.new_partial(artefact)
        with at_work_in(partial, shelf.folder) as folder:
            try:
                yield Scratch(shelf.path / partial, staging.reserve)
            finally:
                remove(partial, folder, shelf.folder)


def fetching(
    at: Folder, artefact: str, scratch: Scratch, bytes: int, *, finished: bool
) -> Generator[int | None, None, Inspected]:
    """Inspects the set in an open directory and leaves a copy of its files in the scratch directory."""
    with closing(open_directory(scratch.path)) as into:
        require_room(into, bytes, scratch.reserve, f"a restored copy in {scratch.path.parent}")
        return (yield from inspecting(at, artefact=artefact, finished=finished, into=into))
