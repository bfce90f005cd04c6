"""The staging directory: a dump lies here from its arrival until it is verified at the destination. Blocking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from joelclaw_backup.destination import Destination
from joelclaw_backup.files import HashingFile
from joelclaw_backup.folder import Folder
from joelclaw_backup.layout import DUMP
from joelclaw_backup.partial import at_work_in, remove, sweep
from joelclaw_backup.records import FileRecord
from joelclaw_backup.shelf import open_shelf
from joelclaw_backup.space import MIB, require_room

ASK = 8 * MIB  # so much may come before the disk is asked again


class StagedGone(RuntimeError):
    """What was taken is not here: it has to be taken anew."""


class StagedDump:
    """What is arriving, one file after the other. Its directory stays locked until `close`."""

    def __init__(self, stack: ExitStack, path: Path, folder: Folder, file: HashingFile, reserve: int) -> None:
        self._stack, self.path, self._folder, self._file = stack, path, folder, file
        self.partial, self._reserve, self._asked = path.parent.name, reserve, 0

    @classmethod
    def begin(cls, staging: Destination, target: str, artefact: str, name: str = DUMP) -> StagedDump:
        """A fresh directory; what earlier crashes left is swept first."""
        with ExitStack() as stack:
            shelf = stack.enter_context(open_shelf(staging, target))
            sweep(shelf.folder)
            partial = shelf.new_partial(artefact)
            folder = stack.enter_context(at_work_in(partial, shelf.folder))
            begun = cls(stack, shelf.path / partial / name, folder, HashingFile(name, folder), staging.reserve)
            stack.callback(begun._hang_up)
            begun._stack = stack.pop_all()
            return begun

    def write(self, block: bytes | bytearray) -> None:
        """Nobody knows how large a dump will be; so the disk is asked on the way. BackupFailed before it is full."""
        self._asked -= len(block)
        if self._asked < 0:
            require_room(self._folder, len(block), self._reserve, f"the dump in {self.path.parent.parent}")
            self._asked = ASK
        self._file.write(block)

    def finish(self) -> FileRecord:
        return self._file.finish()

    def next(self, name: str) -> None:
        """The file that comes now, in the same directory; the one before is finished."""
        self._file = HashingFile(name, self._folder)
        self.path = self.path.with_name(name)

    def close(self) -> None:
        self._stack.close()

    def _hang_up(self) -> None:
        self._file.close()


@contextmanager
def staged(staging: Destination, target: str, partial: str) -> Iterator[Folder]:
    """A handle on a staged directory. StagedGone when it isn't here: taken on another machine, or swept."""
    with ExitStack() as stack:
        try:
            shelf = stack.enter_context(open_shelf(staging, target, make=False))
            folder = stack.enter_context(at_work_in(partial, shelf.folder))
        except FileNotFoundError as error:
            raise StagedGone(f"the staged dump {partial} is not here") from error
        yield folder


def discard(staging: Destination, target: str, partial: str) -> None:
    """Remove a staged dump. OSError, RuntimeError."""
    with open_shelf(staging, target, make=False) as shelf, at_work_in(partial, shelf.folder) as folder:
        remove(partial, folder, shelf.folder)
