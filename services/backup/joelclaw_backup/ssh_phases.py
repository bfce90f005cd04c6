"""What talking to the NAS consists of: how long each part may take, and what its trouble is called.

| phase        | seconds              | trouble                                                     |
|--------------|----------------------|-------------------------------------------------------------|
| connect      | ConnectTimeout       | connection-refused, unreachable, timeout                    |
| host key     | ConnectTimeout       | host-key-mismatch, host-key-unknown, ssh-transport, timeout |
| auth         | 30                   | permission-denied, timeout                                  |
| precondition | 30                   | not-mounted, no-space-left, permission-denied, timeout      |
| transfer     | 60 for each block    | no-space-left, ssh-transport, timeout                       |
| fsync        | 240                  | io-error, timeout                                           |
| rename       | 30                   | io-error, timeout                                           |
| read-back    | 60 for each block    | ssh-transport, timeout                                      |

A connection that is lost in any of them (the other end no longer answers, ServerAliveInterval × ServerAliveCountMax) is
`ssh-transport`. The only room but `ssh_session.py` and `remote_folder.py` that knows asyncssh: it reads its errors.
"""

from __future__ import annotations

import errno
from enum import StrEnum

import asyncssh

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.policy import class_of


class Phase(StrEnum):
    CONNECT = "connect"
    HOST_KEY = "host key"
    AUTH = "auth"
    PRECONDITION = "precondition"
    TRANSFER = "transfer"
    FSYNC = "fsync"
    RENAME = "rename"
    READ_BACK = "read-back"


SECONDS = {
    Phase.AUTH: 30.0,
    Phase.PRECONDITION: 30.0,
    Phase.TRANSFER: 60.0,
    Phase.FSYNC: 240.0,
    Phase.RENAME: 30.0,
    Phase.READ_BACK: 60.0,
}
"""The first two phases have the time that the flags give them."""

_ERRNO: dict[type[asyncssh.SFTPError], int] = {
    asyncssh.SFTPNoSuchFile: errno.ENOENT,
    asyncssh.SFTPNoSuchPath: errno.ENOENT,
    asyncssh.SFTPPermissionDenied: errno.EACCES,
    asyncssh.SFTPWriteProtect: errno.EROFS,
    asyncssh.SFTPFileAlreadyExists: errno.EEXIST,
    asyncssh.SFTPNoSpaceOnFilesystem: errno.ENOSPC,
    asyncssh.SFTPQuotaExceeded: errno.EDQUOT,
    asyncssh.SFTPDirNotEmpty: errno.ENOTEMPTY,
    asyncssh.SFTPNotADirectory: errno.ENOTDIR,
    asyncssh.SFTPOpUnsupported: errno.ENOTSUP,
}


class LineLost(BackupFailed):
    """The connection is of no use any more."""


def told(phase: Phase, host: str, error: BaseException) -> BackupFailed | OSError:
    """What went wrong, in our words: an answer of the other end about a file is an OSError, as the system would say it;
    all else is a failure with its class."""
    where = f"ssh {host}: {phase}"
    match error:
        case BackupFailed():
            return error
        case asyncssh.SFTPConnectionLost() | asyncssh.SFTPNoConnection() | asyncssh.ConnectionLost():
            return LineLost(FailureClass.SSH_TRANSPORT, f"{where}: the connection was lost: {error.reason}")
        case asyncssh.SFTPError():
            number = _ERRNO.get(type(error), errno.EIO)  # version 3 has one word for all that is left: Failure
            return OSError(number, f"{where}: {error.reason}")
        case asyncssh.HostKeyNotVerifiable():
            why = "who answers has another host key than the known one; nothing was sent"
            return LineLost(FailureClass.HOST_KEY_MISMATCH, f"{where}: {why} ({error.reason})")
        case asyncssh.KeyExchangeFailed() if "host key" in error.reason.casefold():
            why = "who answers has no host key of the known kind; nothing was sent"
            return LineLost(FailureClass.HOST_KEY_MISMATCH, f"{where}: {why} ({error.reason})")
        case asyncssh.PermissionDenied():
            why = f"no key of ours is accepted ({error.reason})"
            return LineLost(FailureClass.PERMISSION_DENIED, f"{where}: {why}")
        case asyncssh.DisconnectError() | asyncssh.ChannelOpenError() | asyncssh.Error():
            return LineLost(FailureClass.SSH_TRANSPORT, f"{where}: {error}")
        case TimeoutError():
            return LineLost(FailureClass.TIMEOUT, f"{where}: no answer in time")
        case OSError():
            return LineLost(class_of(error), f"{where}: {error.strerror or error}")
        case _:
            return LineLost(FailureClass.SSH_TRANSPORT, f"{where}: {type(error).__name__}: {error}")
