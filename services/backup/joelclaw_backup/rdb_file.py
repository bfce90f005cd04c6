"""The file that a server's `BGSAVE` left, opened once and judged before it is believed. Blocking.

| the file at the configured path                          | is                |
|----------------------------------------------------------|-------------------|
| is missing                                               | no-snapshot-files |
| is the very file that was there before the save          | snapshot-invalid  |
| was begun before the save or after its end               | snapshot-invalid  |
| names another version of the server, or another history  | snapshot-invalid  |

Then its bytes are judged as those of a stream are: magic, version, CRC-64, the checker. A later save moves another file
to the path; the one that was opened stays what it is.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from joelclaw_backup.bgsave import Saved
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.policy import class_of
from joelclaw_backup.rdb_aux import ENOUGH, aux_of

BLOCK = 1024 * 1024
Mark = tuple[int, int, int, int]
"""By which a file is told from the one that took its place."""


def mark_of(path: Path) -> Mark | None:
    """What lies there now; None: nothing. BackupFailed where we may not look."""
    try:
        return _mark(os.stat(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


class RdbFile:
    """An open dump. `offset` of its source's replication: -1 where it does not say."""

    def __init__(self, path: Path, before: Mark | None) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would hold us
        except FileNotFoundError as error:
            told = f"the server saved, and no file is at {path}; set backup.redis.rdbPath to the file that it writes"
            raise BackupFailed(FailureClass.NO_SNAPSHOT_FILES, told) from error
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            there = os.fstat(self._fd)
            if not stat.S_ISREG(there.st_mode):
                raise self._wrong("is no plain file")
            if _mark(there) == before:
                raise self._wrong("was there before the save, and is no other now: the server writes elsewhere")
            self.aux = aux_of(os.pread(self._fd, ENOUGH, 0))
        except BaseException:  # whatever it was: the handle is not leaked, and it goes on
            self.close()
            raise

    @property
    def offset(self) -> int:
        told = self.aux.get("repl-offset", "")
        return int(told) if told.isdecimal() else -1

    def require(self, saved: Saved, software: str) -> None:
        """BackupFailed (snapshot-invalid) unless it is of that save of that server, as far as it says."""
        when = self.aux.get("ctime", "")
        if not when.isdecimal() or not saved.begun <= int(when) <= saved.ended:
            raise self._wrong(f"was begun at {when or 'a time that it does not tell'}, the save ran from {saved.begun}")
        version = self.aux.get("valkey-ver") or self.aux.get("redis-ver", "")
        if version != software:
            raise self._wrong(f"was written by version {version or 'unknown'}, the server is {software}")
        if (history := self.aux.get("repl-id", saved.history)) != saved.history:
            raise self._wrong(f"is of the history {history[:40]}, the server's is {saved.history}")

    def read(self) -> bytes:
        """The next block; empty at the end. OSError."""
        return os.read(self._fd, BLOCK)

    def close(self) -> None:
        os.close(self._fd)

    def _wrong(self, what: str) -> BackupFailed:
        why = f"{self.path} is not what the server saved: it {what}"
        return BackupFailed(FailureClass.SNAPSHOT_INVALID, f"{why}; see backup.redis.rdbPath")


def _mark(there: os.stat_result) -> Mark:
    return there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns


def _unreadable(path: Path, error: OSError) -> BackupFailed:
    return BackupFailed(class_of(error), f"the server's file {path} can't be read: {error.strerror or error}")
