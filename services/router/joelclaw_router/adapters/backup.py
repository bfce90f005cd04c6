"""Backups: the typed cause decides, the message only where there is none; permanent is permanent at every layer.

| class     | causes                                                                                     |
|-----------|--------------------------------------------------------------------------------------------|
| transient | time-outs, connection refused, reset or unreachable, ssh transport, resource temporarily   |
|           | unavailable, I/O error, stale file handle, server unavailable, nothing mounted there       |
| permanent | permission denied, no space left, no snapshot files staged, snapshot refused by HTTP status, |
|           | host key mismatch or unknown, byte cap reached                                             |
| deferred  | queued on local disk: its drainer owns it                                                  |
| unknown   | a dump that is not sound, or not what was copied, or does not restore; everything else:    |
|           | one hold, then as transient                                                                |
"""

from __future__ import annotations

import re

from joelclaw_router.adapters.adapter import Adapter, Symptom
from joelclaw_router.failure import FailureClass

_TYPED = {
    FailureClass.TRANSIENT: (
        "transient", "timeout", "timed-out", "connection-refused", "connection-reset", "unreachable",
        "host-unreachable", "network-unreachable", "ssh", "ssh-transport", "resource-unavailable",
        "resource-temporarily-unavailable", "io-error", "stale-file-handle", "server-unavailable", "not-mounted",
    ),
    FailureClass.PERMANENT: (
        "permanent", "permission-denied", "no-space", "no-space-left", "no-snapshot-files",
        "no-snapshot-files-staged", "snapshot-refused", "host-key-mismatch", "host-key-unknown",
        "byte-cap", "byte-cap-reached",
    ),
    FailureClass.DEFERRED: ("deferred", "queued"),
    FailureClass.UNKNOWN: (
        "unknown", "source-changed", "target-not-empty",
        "rdb-invalid", "hash-differs", "file-missing", "extra-file", "did-not-start",
        "started-and-differs", "other-version", "wedged", "snapshot-invalid",
    ),
}  # fmt: skip
_BY_CAUSE = {cause: kind for kind, causes in _TYPED.items() for cause in causes}

# Permanent first: a transport that failed since the disk is full also says "connection unexpectedly closed".
_PERMANENT = re.compile(
    r"permission denied|operation not permitted|EACCES|no space left|ENOSPC|disk quota exceeded"
    r"|no snapshot files (were )?staged|snapshot (was )?refused"
    r"|snapshot.{0,80}\b(HTTP|status)\D{0,12}4(?!08|25|29)\d\d"
    r"|host key (verification failed|mismatch)|remote host identification has changed"
    r"|byte cap (was )?reached",
    re.IGNORECASE,
)
_TRANSIENT = re.compile(
    r"time(d)?[ -]?out|ETIMEDOUT|connection (was )?(refused|reset)|ECONNREFUSED|ECONNRESET|unreachable|EHOSTUNREACH"
    r"|ENETUNREACH|broken pipe|connection (unexpectedly )?closed|kex_exchange|ssh: |ssh transport"
    r"|resource temporarily unavailable|EAGAIN|input/output error|I/O error|\bEIO\b|stale (NFS )?file handle|ESTALE"
    r"|(server|service) (temporarily )?unavailable|\b(HTTP|status)\D{0,12}50[234]\b",
    re.IGNORECASE,
)
_READ = 20_000
"""Characters of a message that are read: an error can carry a whole log."""


class BackupAdapter(Adapter):
    default_route = "system/backup.retry.requested"

    def target(self, name: str) -> str:
        """`system/backup.redis`, `backup.redis`, `Redis` are `redis`."""
        return name.strip().casefold().removeprefix("system/").removeprefix("backup.")

    def classify(self, symptom: Symptom) -> FailureClass:
        cause = re.sub(r"[\s_]+", "-", symptom.cause.strip().casefold())
        if cause in _BY_CAUSE:
            return _BY_CAUSE[cause]
        message = symptom.message[:_READ]
        if _PERMANENT.search(message):
            return FailureClass.PERMANENT
        if _TRANSIENT.search(message):
            return FailureClass.TRANSIENT
        return FailureClass.UNKNOWN
