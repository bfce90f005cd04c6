"""A file on another machine over SFTP, read or written with several blocks on their way at once. In a child."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import asyncssh

from joelclaw_backup.ssh_phases import Phase
from joelclaw_backup.ssh_session import Session

BLOCK = 255 * 1024
"""The most that OpenSSH's server takes in one request."""
WINDOW = 8
"""So many blocks are on their way at once: as much as it lets a channel be ahead, 2 MiB."""


class RemoteReading:
    """Blocks are asked for ahead."""

    def __init__(self, session: Session, file: asyncssh.SFTPClientFile, start: int, size: int) -> None:
        self._session, self._file, self._size = session, file, size
        self._asked = self._had = start
        self._coming: deque[tuple[int, int, Future[bytes]]] = deque()

    def read(self) -> bytes:
        while len(self._coming) < WINDOW and self._asked < self._size:
            size = min(BLOCK, self._size - self._asked)
            self._coming.append((self._asked, size, self._ask(self._asked, size)))
            self._asked += size
        if not self._coming:
            block = self._session.result(Phase.READ_BACK, self._ask(self._had, BLOCK))  # it may have grown
            self._had += len(block)
            return block
        at, size, future = self._coming.popleft()
        block = self._session.result(Phase.READ_BACK, future)
        if len(block) < size:  # it ends early: what was asked for beyond is nothing
            self._coming.clear()
            self._asked = self._size
        self._had = at + len(block)
        self._session.pace(len(block))
        return block

    def _ask(self, at: int, size: int) -> Future[bytes]:
        async def ask(_: asyncssh.SFTPClient) -> bytes:
            block = await self._file.read(size, at)
            assert isinstance(block, bytes)  # it was opened without an encoding
            return block

        return self._session.start(Phase.READ_BACK, ask)

    def close(self) -> None:
        with suppress(Exception):  # it was read: how the handle ends is no matter
            self._session.do(Phase.READ_BACK, lambda _: self._file.close())


class RemoteWriting:
    """Up to `WINDOW` blocks are on their way; `sync` waits for all. require_room: raises when the disk is full, which
    not every server says."""

    def __init__(
        self, session: Session, file: asyncssh.SFTPClientFile, size: int, require_room: Callable[[], None]
    ) -> None:
        self._session, self._file, self._size, self._require_room = session, file, size, require_room
        self._going: deque[Future[None]] = deque()

    def write(self, data: memoryview) -> None:
        while data:
            block, data = bytes(data[:BLOCK]), data[BLOCK:]
            self._session.pace(len(block))
            if len(self._going) >= WINDOW:
                self._settle()
            self._going.append(self._send(self._size, block))
            self._size += len(block)

    def sync(self) -> None:
        while self._going:
            self._settle()
        try:
            self._session.do(Phase.FSYNC, lambda _: self._file.fsync())
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            self._session.lacks.add("fsync")

    def close(self) -> None:
        for future in self._going:
            future.cancel()
        self._going.clear()
        with suppress(Exception):  # what was to be kept was synced: how the handle ends is no matter
            self._session.do(Phase.TRANSFER, lambda _: self._file.close())

    def _send(self, at: int, block: bytes) -> Future[None]:
        async def send(_: asyncssh.SFTPClient) -> None:
            await self._file.write(block, at)

        return self._session.start(Phase.TRANSFER, send)

    def _settle(self) -> None:
        try:
            self._session.result(Phase.TRANSFER, self._going.popleft())
        except OSError:
            self._require_room()
            raise
