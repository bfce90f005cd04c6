"""The policy: what a run's outcome is, what a failure's cause is called, and when a restored copy is the same.

| outcome  | means                                                                            |
|----------|----------------------------------------------------------------------------------|
| stored   | verified at the destination: read back with equal hashes, restored, compared     |
| deferred | queued on the local disk, since no way to the NAS was open; nothing is proven     |
| failed   | everything else; its class says why, and its router what happens next            |

| cause                                                       | class                                       |
|-------------------------------------------------------------|---------------------------------------------|
| no answer in time                                           | timeout                                     |
| connection refused / reset, broken, ended early             | connection-refused / connection-reset       |
| host, network or name unknown; the destination has vanished | unreachable                                 |
| no space, quota                                             | no-space-left                               |
| access denied, read-only file system, wrong password, ACL, certificate | permission-denied                |
| stale handle / would block / other I/O error                | stale-file-handle / resource-unavailable / io-error |
| server loading, busy, without its master                    | server-unavailable                          |
| server refuses to be replicated                             | snapshot-refused                            |
| another host key than the known one / none is known         | host-key-mismatch / host-key-unknown        |
| an SSH connection that broke, or can't be agreed on         | ssh-transport                               |
| the queue has no room left                                  | byte-cap-reached                            |

Pure: no clock, no file, no network.
"""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.manifest import ClusterManifest, Manifest, RedisManifest, Restored, TypesenseManifest
from joelclaw_backup.parts import Collected, Dump, Held, Sharded

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
    {
        FailureClass.PERMISSION_DENIED,
        FailureClass.NO_SPACE_LEFT,
        FailureClass.SNAPSHOT_REFUSED,
        FailureClass.NO_SNAPSHOT_FILES,
        FailureClass.HOST_KEY_MISMATCH,
        FailureClass.HOST_KEY_UNKNOWN,
        FailureClass.BYTE_CAP_REACHED,
    }
)  # what the router's policy calls permanent


class Outcome(StrEnum):
    STORED = "stored"
    DEFERRED = "deferred"
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
        case ssl.SSLCertVerificationError():  # a server that can't prove who it is: no retry changes that
            return FailureClass.PERMISSION_DENIED
        case ssl.SSLError():  # its errno is none of the system's
            return FailureClass.CONNECTION_RESET
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
class Compared:
    """`verdict` is None when both are the same. `detail` says in what they differ, or can't be compared."""

    verdict: FailureClass | None
    detail: str


SAME = Compared(None, "")


def compare(manifest: Manifest, restored: Restored) -> Compared:
    """What a throwaway server holds against what its source did."""
    match manifest, restored:
        case RedisManifest(), Held():
            return _compare_redis(manifest.dump, manifest.witness, restored)
        case ClusterManifest(), Sharded():
            return _compare_cluster(manifest, restored)
        case TypesenseManifest(), Collected():
            return _compare_typesense(manifest, restored)
        case _:
            return Compared(
                FailureClass.UNKNOWN, f"a {type(restored).__name__} can't be held against {manifest.target}"
            )


def _compare_cluster(manifest: ClusterManifest, restored: Sharded) -> Compared:
    """Shard by shard; the first difference says most, a real one more than one that can't be judged."""
    found = SAME
    for shard in manifest.shards:
        held = restored.shards.get(shard.file)
        if held is None:
            return _differs(f"{shard.file} was not restored")
        one = _compare_redis(shard.dump, shard.witness, held)
        if one.verdict and found.verdict in (None, FailureClass.UNKNOWN):
            found = Compared(one.verdict, f"{shard.file} (slots {shard.slots[0][0]}…): {one.detail}")
    return found


def _compare_redis(dump: Dump, witness: Held | None, restored: Held) -> Compared:
    """Exactly, by the witness; else by the dump's counts.

    Both are loaded as a replica loads, which drops no expired key: so there is no difference that time explains.
    """
    if witness is None:
        if (restored.keys, restored.libraries) == (dump.keys, dump.libraries):
            return SAME
        told = f"it holds {restored.keys} keys and {restored.libraries} function libraries"
        return _differs(f"{told}; the dump has {dump.keys} and {dump.libraries}")
    for what, here, there in (
        ("keys", restored.databases, witness.databases),
        ("expiring keys", restored.expires, witness.expires),
    ):
        for number in sorted({*here, *there}, key=int):
            if here.get(number, 0) != there.get(number, 0):
                told = f"database {number} holds {here.get(number, 0)} {what}"
                return _differs(f"{told}; the source held {there.get(number, 0)}")
    if restored.libraries != witness.libraries:
        return _differs(f"it holds {restored.libraries} function libraries; the source held {witness.libraries}")
    if restored.digest == witness.digest:
        return SAME
    if restored.by != witness.by:
        why = f"the counts are the same, but a digest by {restored.by} can't be held against one by {witness.by}"
        return Compared(FailureClass.UNKNOWN, why)
    return _differs(f"its content digest is {restored.digest}; the source's was {witness.digest}")


def _compare_typesense(manifest: TypesenseManifest, restored: Collected) -> Compared:
    """Every collection that stood still while it was taken: exactly. One that moved: it is there, and answers."""
    wanted, moving = manifest.witness.collections, set(manifest.moving)
    for name in sorted({*wanted, *restored.collections} - moving):
        there, here = wanted.get(name), restored.collections.get(name)
        if there is None or here is None:
            return _differs(f"collection {name} {'is missing' if here is None else 'was not there at the source'}")
        if here.documents != there.documents:
            return _differs(f"collection {name} holds {here.documents} documents; the source held {there.documents}")
        if here.digest != there.digest:
            return _differs(f"collection {name} has the content digest {here.digest}; the source's was {there.digest}")
    if gone := sorted(name for name in moving & set(wanted) if name not in restored.collections):
        return _differs(f"collection {gone[0]} is missing")
    if SETTINGS not in moving and restored.settings != manifest.witness.settings:
        return _differs("its aliases, keys or presets are not the source's")
    return SAME


SETTINGS = "*"
"""What `moving` calls that which belongs to no collection."""


def _differs(how: str) -> Compared:
    return Compared(FailureClass.STARTED_AND_DIFFERS, how)


DAMAGE = frozenset(
    {FailureClass.HASH_DIFFERS, FailureClass.FILE_MISSING, FailureClass.RDB_INVALID, FailureClass.STARTED_AND_DIFFERS}
)
"""Verdicts that stay for good: such a set is never verified again, whatever a later look says. All others (a file too
much, a server that did not start, an I/O error, no answer) leave a set unknown until it was read whole again."""
