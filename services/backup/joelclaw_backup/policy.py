"""The policy: what a run's outcome is, what a failure's cause is called, and when a restored copy is the same.

| outcome  | means                                                                            |
|----------|----------------------------------------------------------------------------------|
| stored   | verified at the destination: read back with equal hashes, restored, counted      |
| failed   | everything else; its class says why, and its router what happens next            |

(`deferred`, a queue on the local disk, is to come.)

| cause                                                       | class                                       |
|-------------------------------------------------------------|---------------------------------------------|
| no answer in time                                           | timeout                                     |
| connection refused / reset, broken, ended early             | connection-refused / connection-reset       |
| host, network or name unknown; the destination has vanished | unreachable                                 |
| no space, quota                                             | no-space-left                               |
| access denied, read-only file system, wrong password, ACL   | permission-denied                           |
| stale handle / would block / other I/O error                | stale-file-handle / resource-unavailable / io-error |
| server loading, busy, without its master                    | server-unavailable                          |
| server refuses to be replicated                             | snapshot-refused                            |

Pure: no clock, no file, no network.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from enum import StrEnum

from joelclaw_backup.failure import BackupFailed, FailureClass

_BY_ERRNO = {
    errno.ETIMEDOUT: FailureClass.TIMEOUT,
    errno.ECONNREFUSED: FailureClass.CONNECTION_REFUSED,
    errno.ECONNRESET: FailureClass.CONNECTION_RESET,
    errno.ECONNABORTED: FailureClass.CONNECTION_RESET,
    errno.EPIPE: FailureClass.CONNECTION_RESET,
    errno.EHOSTUNREACH: FailureClass.UNREACHABLE,
    errno.ENETUNREACH: FailureClass.UNREACHABLE,
    errno.EHOSTDOWN: FailureClass.UNREACHABLE,
    errno.ENOENT: FailureClass.UNREACHABLE,
    errno.ENOTDIR: FailureClass.UNREACHABLE,
    errno.ENODEV: FailureClass.UNREACHABLE,
    errno.ENXIO: FailureClass.UNREACHABLE,
    errno.ENOTCONN: FailureClass.UNREACHABLE,
    errno.ENOSPC: FailureClass.NO_SPACE_LEFT,
    errno.EDQUOT: FailureClass.NO_SPACE_LEFT,
    errno.EACCES: FailureClass.PERMISSION_DENIED,
    errno.EPERM: FailureClass.PERMISSION_DENIED,
    errno.EROFS: FailureClass.PERMISSION_DENIED,
    errno.ESTALE: FailureClass.STALE_FILE_HANDLE,
    errno.EAGAIN: FailureClass.RESOURCE_UNAVAILABLE,
    errno.EMFILE: FailureClass.RESOURCE_UNAVAILABLE,
    errno.ENOMEM: FailureClass.RESOURCE_UNAVAILABLE,
}
_BY_REPLY = {
    "NOAUTH": FailureClass.PERMISSION_DENIED,
    "WRONGPASS": FailureClass.PERMISSION_DENIED,
    "NOPERM": FailureClass.PERMISSION_DENIED,
    "LOADING": FailureClass.SERVER_UNAVAILABLE,
    "BUSY": FailureClass.SERVER_UNAVAILABLE,
    "MASTERDOWN": FailureClass.SERVER_UNAVAILABLE,
    "NOMASTERLINK": FailureClass.SERVER_UNAVAILABLE,
}
_NEED_A_PERSON = frozenset(
    {FailureClass.PERMISSION_DENIED, FailureClass.NO_SPACE_LEFT, FailureClass.SNAPSHOT_REFUSED}
)  # what the router's policy calls permanent


class Outcome(StrEnum):
    STORED = "stored"
    FAILED = "failed"


def class_of(error: BaseException | None) -> FailureClass:
    """The class of whatever ended a run."""
    match error:
        case BackupFailed():
            return error.failure_class
        case TimeoutError():
            return FailureClass.TIMEOUT
        case socket.gaierror():
            return FailureClass.UNREACHABLE
        case OSError():
            return _BY_ERRNO.get(error.errno or 0, FailureClass.IO_ERROR)
        case _:
            return FailureClass.UNKNOWN


def class_of_reply(kind: str) -> FailureClass:
    """The class of a server's error reply, by its first word. What it will not do at all is a refusal."""
    return _BY_REPLY.get(kind, FailureClass.SNAPSHOT_REFUSED)


def needs_a_person(failure_class: FailureClass) -> bool:
    """Whether no retry can help: such a failure pages."""
    return failure_class in _NEED_A_PERSON


@dataclass(frozen=True, slots=True)
class Counts:
    """What a dump holds by the server's own checker, which loads nothing: keys read, and those expired already."""

    keys: int
    expires: int
    expired: int
    libraries: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What a throwaway server says after loading: keys in each database, and what expired while and after loading."""

    databases: dict[str, int]
    expired_loading: int
    expired_since: int
    libraries: int

    @property
    def keys(self) -> int:
        return sum(self.databases.values())


def difference(counts: Counts, restored: Restored) -> str:
    """Empty when the restored server holds what the dump does, else in which number they differ."""
    expected = counts.keys - restored.expired_loading - restored.expired_since
    if restored.keys != expected:
        gone = restored.expired_loading + restored.expired_since
        return f"{restored.keys} keys were restored; {counts.keys} were read from the dump and {gone} expired"
    if restored.libraries != counts.libraries:
        return f"{restored.libraries} function libraries were restored; the dump holds {counts.libraries}"
    return ""
