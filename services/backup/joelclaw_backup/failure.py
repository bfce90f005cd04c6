"""What keeps a backup from being stored, by cause. Nouns only.

The names are the ones the backup failure router's adapter knows; those it does not know get one hold, then retries.
"""

from __future__ import annotations

from enum import StrEnum


class FailureClass(StrEnum):
    """`failureClass` of `system/backup.failure.detected`."""

    TIMEOUT = "timeout"
    CONNECTION_REFUSED = "connection-refused"
    CONNECTION_RESET = "connection-reset"
    UNREACHABLE = "unreachable"
    RESOURCE_UNAVAILABLE = "resource-unavailable"
    IO_ERROR = "io-error"
    STALE_FILE_HANDLE = "stale-file-handle"
    SERVER_UNAVAILABLE = "server-unavailable"
    NOT_MOUNTED = "not-mounted"
    SSH_TRANSPORT = "ssh-transport"
    """The connection broke, or both sides have no way of speaking in common."""

    PERMISSION_DENIED = "permission-denied"
    NO_SPACE_LEFT = "no-space-left"
    SNAPSHOT_REFUSED = "snapshot-refused"
    HOST_KEY_MISMATCH = "host-key-mismatch"
    """Whoever answers is not the one we know. Nothing was sent."""
    HOST_KEY_UNKNOWN = "host-key-unknown"
    """Nobody said which key the host has. Nothing was sent."""
    BYTE_CAP_REACHED = "byte-cap-reached"
    """The queue on the local disk is full; nothing in it was dropped."""

    DEFERRED = "deferred"
    """It lies in the queue; its drainer owns it."""

    WEDGED = "wedged"
    """A server that answered a snapshot call with silence: it may be at it still, and bears no second call."""
    NO_SNAPSHOT_FILES = "no-snapshot-files"
    """The server said that it made one; nothing lies there."""
    SNAPSHOT_INVALID = "snapshot-invalid"
    """Something lies there, and it is no whole snapshot."""

    SOURCE_CHANGED = "source-changed"
    """The source became another one while it was read: there is no one moment to compare."""
    RDB_INVALID = "rdb-invalid"
    """What the source sent is no sound dump."""
    HASH_DIFFERS = "hash-differs"
    """What was read back is not what left the source."""
    FILE_MISSING = "file-missing"
    EXTRA_FILE = "extra-file"
    OTHER_VERSION = "other-version"
    """Another version of this program wrote its records: it can't be told whether they are right."""
    DID_NOT_START = "did-not-start"
    """A throwaway server would not load it."""
    STARTED_AND_DIFFERS = "started-and-differs"
    """It loaded, and holds something else."""

    TARGET_NOT_EMPTY = "target-not-empty"
    """Where a person wants it restored, something is already."""

    UNKNOWN = "unknown"


class BackupFailed(Exception):
    """A classified failure: no engine retry can help, its router decides. `str()` is one line without secrets."""

    def __init__(self, failure_class: FailureClass, message: str) -> None:
        self.failure_class = failure_class
        super().__init__(" ".join(message.split())[:2000])

    def __reduce__(self) -> tuple[type[BackupFailed], tuple[FailureClass, str]]:
        """It comes back from a child as it left."""
        return BackupFailed, (self.failure_class, str(self))


class NotRestored(BackupFailed):
    """What failed while a set was put into a person's directory: as likely that directory's trouble as the set's."""


class DamagedSet(BackupFailed):
    """A set that was read afresh and is not what left the source: no other directory helps."""

    def __reduce__(self) -> tuple[type[BackupFailed], tuple[FailureClass, str]]:
        return DamagedSet, (self.failure_class, str(self))
