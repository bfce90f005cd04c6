"""Files in a folder: written durably, hashed in the same pass, read back, gone on with. Blocking: done in a child."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator
from contextlib import closing, suppress

from joelclaw_backup.folder import Folder, Reading
from joelclaw_backup.local_folder import LocalFolder
from joelclaw_backup.records import FileRecord

SLICE = 8 * 1024 * 1024  # bytes between two signs of life
SMALL = 4 * 1024 * 1024

Handle = Callable[[bytes], object]
"""Takes a file's bytes in their order."""


def open_directory(path: str | os.PathLike[str], at: Folder | None = None) -> Folder:
    """A directory that is no link itself: in a folder, or of this machine."""
    return LocalFolder(path) if at is None else at.folder(str(path))


def make_directory(name: str, at: Folder) -> Folder:
    """A directory in a folder; made, and its making made durable, if it wasn't there."""
    with suppress(FileExistsError):
        at.make(name)
    return at.folder(name)


class HashingFile:
    """A new file that knows the hash of what was written to it; or one that is gone on with after its first `size`
    bytes, which `digest` has seen. alone: see `Folder.go_on`."""

    def __init__(
        self, name: str, at: Folder, size: int = 0, digest: hashlib._Hash | None = None, *, alone: bool = False
    ) -> None:
        self.name = name
        self._file = at.create(name) if digest is None else at.go_on(name, size, alone=alone)
        self._hash = digest or hashlib.sha256()
        self._size = size

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        self._file.write(view)  # first: over a network it is on its way while it is hashed
        self._hash.update(view)
        self._size += len(view)

    def finish(self) -> FileRecord:
        """Flushed to the disk and closed."""
        self._file.sync()
        self.close()
        return FileRecord(name=self.name, size=self._size, sha256=self._hash.hexdigest())

    def close(self) -> None:
        self._file.close()


def copying(
    name: str, source: Folder, target: Folder, as_name: str = "", *, also: Handle | None = None, afresh: bool = True
) -> Generator[int, None, FileRecord]:
    """Copies a file between two folders; the record is of the bytes read and written; `also` gets them. afresh: see
    `Folder.read`."""
    with closing(source.read(name, afresh=afresh)) as reading:
        file = HashingFile(as_name or name, target)
        try:
            yield from _handled(reading, file.write, also)
            return file.finish()
        finally:
            file.close()


def going_on(name: str, source: Folder, target: Folder) -> Generator[int, None, tuple[FileRecord, int]]:
    """The same where a part of it may lie in `target`: that is read back and compared, byte by byte, and what is the
    same is not sent again. (its record, bytes that were not sent)."""
    digest, same, ahead = hashlib.sha256(), 0, b""
    with closing(source.read(name, afresh=False)) as ours:
        with closing(target.read(name)) as theirs:
            while block := theirs.read():
                while len(ahead) < len(block) and (more := ours.read()):
                    ahead += more
                if not ahead.startswith(block):
                    break
                digest.update(block)
                same += len(block)
                ahead = ahead[len(block) :]
                yield len(block)
        file = HashingFile(name, target, same, digest)
        try:
            file.write(ahead)
            yield from _handled(ours, file.write)
            return file.finish(), same
        finally:
            file.close()


def adding(
    name: str, source: Folder, target: Folder, as_name: str, size: int
) -> Generator[int, None, FileRecord | None]:
    """The same where the first `size` bytes may lie in `target` under `as_name`: they are hashed there, and the rest is
    added. Whether they were right only the record tells. None where that part can't be read, or isn't ours alone."""
    digest = hashlib.sha256()
    try:
        with closing(target.read(as_name)) as theirs:
            yield from _handled(theirs, digest.update)
    except OSError:
        return None
    with closing(source.read(name, start=size)) as ours:
        try:
            file = HashingFile(as_name, target, size, digest, alone=True)
        except OSError:
            return None
        try:
            yield from _handled(ours, file.write)
            return file.finish()
        finally:
            file.close()


def hashing(name: str, at: Folder, *, also: Handle | None = None) -> Generator[int, None, FileRecord]:
    """The record of a file as it lies there now."""
    with closing(at.read(name)) as reading:
        digest, size = hashlib.sha256(), 0

        def handle(block: bytes) -> None:
            nonlocal size
            digest.update(block)
            size += len(block)

        yield from _handled(reading, handle, also)
        return FileRecord(name=name, size=size, sha256=digest.hexdigest())


def _handled(reading: Reading, handle: Handle, also: Handle | None = None) -> Generator[int, None, None]:
    """Yields how many bytes were handled since the last yield."""
    since = 0
    while block := reading.read():
        handle(block)
        if also is not None:
            also(block)
        since += len(block)
        if since >= SLICE:
            yield since
            since = 0
    if since:
        yield since


def write_small(name: str, raw: bytes, at: Folder) -> FileRecord:
    """A new small file, durable."""
    file = HashingFile(name, at)
    try:
        file.write(raw)
        return file.finish()
    finally:
        file.close()


def read_small(name: str, at: Folder) -> bytes:
    """A small file whole. OSError, also for one that is no plain file or larger than 4 MiB."""
    raw = b""
    with closing(at.read(name)) as reading:
        while block := reading.read():
            raw += block
            if len(raw) > SMALL:
                raise OSError(f"{name} has more than {SMALL} bytes")
    return raw


def replace_small(name: str, raw: bytes, at: Folder, by_way_of: Folder | None = None) -> None:
    """The whole new text or the old one, also after a power cut. by_way_of: where it is written before it is moved, on
    the same file system, for a directory in which nothing half-done may be seen."""
    temporary, there = f".{name}.{os.urandom(4).hex()}", at if by_way_of is None else by_way_of
    try:
        write_small(temporary, raw, there)
        there.rename(temporary, name, at)
    except BaseException:  # whatever it was: the half-done file is taken away, and it goes on
        with suppress(OSError):
            there.unlink(temporary)
        raise
    at.sync()
