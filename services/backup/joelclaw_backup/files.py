"""Files by directory handle: written durably, hashed in the same pass, read back cold. Blocking: run it in threads.

Everything is named relative to an open directory, one component at a time and never through a link, so that what was
checked when the directory was opened is what is written to, whatever is mounted or linked in the meantime.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from joelclaw_backup.manifest import FileRecord

T = TypeVar("T")
BLOCK = 1024 * 1024
SLICE = 8  # blocks that one visit to a thread handles: a cancelled run waits for no more than these
SMALL = 4 * 1024 * 1024
FLUSH = 128 * 1024 * 1024  # so much may be written before it is flushed: no flush at the end takes minutes
STALL = 300.0  # seconds that one visit to a thread may take: a hung share must not hold a run for ever

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = _READ | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


async def patiently(work: Generator[None, None, T]) -> T:
    """Blocking work that yields now and then, in threads: the loop and its leases live, a cancellation gets through.

    TimeoutError when it does not come to its next yield in time. A thread that hangs in the kernel can't be ended; it
    is left behind, and its files are closed if it ever comes back.
    """
    try:
        while True:
            step: tuple[bool, T | None] = await in_thread(_advance, work)
            over, value = step
            if over:
                assert value is not None
                return value
    except BaseException:
        with suppress(ValueError):  # it is still at it: the thread that was left behind closes it
            work.close()
        raise


async def in_thread(act: Callable[..., T], *args: Any) -> T:
    """One blocking call in a thread; TimeoutError when it shows no end within `STALL` seconds."""
    with anyio.fail_after(STALL):
        result: T = await anyio.to_thread.run_sync(act, *args, abandon_on_cancel=True)
        return result


def _advance(work: Generator[None, None, T]) -> tuple[bool, T | None]:
    try:
        next(work)
    except StopIteration as stop:
        return True, stop.value
    return False, None


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
        self._fd = os.open(name, _NEW, 0o600, dir_fd=at)
        self._hash = hashlib.sha256()
        self._size = self._flushed = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        self._hash.update(view)
        self._size += len(view)
        while view:
            view = view[os.write(self._fd, view) :]
        if self._size - self._flushed >= FLUSH:
            os.fsync(self._fd)
            self._flushed = self._size

    def finish(self) -> FileRecord:
        """Flushed to the disk and closed."""
        os.fsync(self._fd)
        self.close()
        return FileRecord(name=self.name, size=self._size, sha256=self._hash.hexdigest())

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def copying(name: str, source: int, target: int) -> Generator[None, None, FileRecord]:
    """Copies a file between two directories; the record is of the bytes that were read and written."""
    with _opened(name, source) as fd:
        file = HashingFile(name, target)
        try:
            for number, block in enumerate(_blocks(fd)):
                file.write(block)
                if number % SLICE == SLICE - 1:
                    yield
            return file.finish()
        finally:
            file.close()


def hashing(name: str, at: int) -> Generator[None, None, FileRecord]:
    """The record of a file as it lies there now; the page cache is told to forget it, so that the disk is read."""
    with _opened(name, at) as fd:
        digest, size = hashlib.sha256(), 0
        with suppress(AttributeError, OSError):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        for number, block in enumerate(_blocks(fd)):
            digest.update(block)
            size += len(block)
            if number % SLICE == SLICE - 1:
                yield
        return FileRecord(name=name, size=size, sha256=digest.hexdigest())


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


def replace_small(name: str, raw: bytes, at: int) -> None:
    """The whole new text or the old one, also after a power cut."""
    temporary = f".{name}.{os.urandom(4).hex()}"
    write_small(temporary, raw, at)
    os.replace(temporary, name, src_dir_fd=at, dst_dir_fd=at)
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
