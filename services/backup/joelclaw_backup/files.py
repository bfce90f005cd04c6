"""Files by directory handle: written durably, hashed in the same pass, read back cold. Blocking: done in a child.

Everything is named relative to an open directory, one component at a time and never through a link, so that what was
checked when the directory was opened is what is written to, whatever is mounted or linked in the meantime.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from joelclaw_backup.manifest import FileRecord

Handle = Callable[[bytes], object]
"""Takes a file's bytes in their order."""

BLOCK = 1024 * 1024
SLICE = 8  # blocks between two signs of life
SMALL = 4 * 1024 * 1024
FLUSH = 128 * 1024 * 1024  # so much may be written before it is flushed: no flush at the end takes minutes

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = _READ | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def open_directory(path: str | os.PathLike[str], at: int | None = None) -> int:
    """A handle on a directory that is no link itself."""
    return os.open(path, _DIRECTORY, dir_fd=at)


def make_directory(name: str, at: int) -> int:
    """A handle on `name` in `at`; made, and its making made durable, if it wasn't there."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=at)
        os.fsync(at)
    return open_directory(name, at)


class HashingFile:
    """A new file that knows the hash of what was written to it."""

    def __init__(self, name: str, at: int) -> None:
        self.name = name
        self.fd = os.open(name, _NEW, 0o600, dir_fd=at)
        self._hash = hashlib.sha256()
        self._size = self._flushed = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        self._hash.update(view)
        self._size += len(view)
        while view:
            view = view[os.write(self.fd, view) :]
        if self._size - self._flushed >= FLUSH:
            os.fsync(self.fd)
            self._flushed = self._size

    def finish(self) -> FileRecord:
        """Flushed to the disk and closed."""
        os.fsync(self.fd)
        self.close()
        return FileRecord(name=self.name, size=self._size, sha256=self._hash.hexdigest())

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def copying(
    name: str, source: int, target: int, as_name: str = "", *, also: Handle | None = None
) -> Generator[int, None, FileRecord]:
    """Copies a file between two directories; the record is of the bytes read and written; `also` gets them."""
    with _opened(name, source) as fd:
        forget(fd)
        file = HashingFile(as_name or name, target)
        try:
            yield from _handled(fd, file.write, also)
            return file.finish()
        finally:
            file.close()


def hashing(name: str, at: int, *, also: Handle | None = None) -> Generator[int, None, FileRecord]:
    """The record of a file as it lies there now."""
    with _opened(name, at) as fd:
        forget(fd)
        digest, before = hashlib.sha256(), os.lseek(fd, 0, os.SEEK_CUR)
        yield from _handled(fd, digest.update, also)
        return FileRecord(name=name, size=os.lseek(fd, 0, os.SEEK_CUR) - before, sha256=digest.hexdigest())


def forget(fd: int) -> None:
    """The page cache is told to forget a file, so that the disk is read and not what was written to it lately."""
    with suppress(AttributeError, OSError):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _handled(fd: int, handle: Handle, also: Handle | None = None) -> Generator[int, None, None]:
    """Yields how many bytes were handled since the last yield."""
    since = 0
    for number, block in enumerate(_blocks(fd)):
        handle(block)
        if also is not None:
            also(block)
        since += len(block)
        if number % SLICE == SLICE - 1:
            yield since
            since = 0
    if since:
        yield since


def write_small(name: str, raw: bytes, at: int) -> FileRecord:
    """A new small file, durable."""
    file = HashingFile(name, at)
    try:
        file.write(raw)
        return file.finish()
    finally:
        file.close()


def read_small(name: str, at: int) -> bytes:
    """A small file whole. OSError, also for one that is no plain file or larger than 4 MiB."""
    with _opened(name, at) as fd:
        if os.fstat(fd).st_size > SMALL:
            raise OSError(f"{name} has more than {SMALL} bytes")
        return b"".join(_blocks(fd))


def replace_small(name: str, raw: bytes, at: int, by_way_of: int | None = None) -> None:
    """The whole new text or the old one, also after a power cut. by_way_of: where it is written before it is moved, on
    the same file system, for a directory in which nothing half-done may be seen."""
    temporary, there = f".{name}.{os.urandom(4).hex()}", at if by_way_of is None else by_way_of
    try:
        write_small(temporary, raw, there)
        os.replace(temporary, name, src_dir_fd=there, dst_dir_fd=at)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=there)
        raise
    os.fsync(at)


@contextmanager
def _opened(name: str, at: int) -> Generator[int, None, None]:
    # Not blocking: a FIFO in a file's place must not hang the reader.
    fd = os.open(name, _READ | os.O_NONBLOCK, dir_fd=at)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{name} is no plain file")
        yield fd
    finally:
        os.close(fd)


def _blocks(fd: int) -> Generator[bytes, None, None]:
    while block := os.read(fd, BLOCK):
        yield block
