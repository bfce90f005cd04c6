"""What causes are called, what pages, and when a restored copy is the same."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any

import pytest

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.manifest import RedisManifest
from joelclaw_backup.parts import Dump, Held, Source, Taken
from joelclaw_backup.policy import class_of, class_of_reply, compare, needs_a_person
from joelclaw_router.adapters import Symptom, adapter_of
from joelclaw_router.failure import FailureClass as RoutersClass


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BackupFailed(FailureClass.NOT_MOUNTED, "x"), "not-mounted"),
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection-refused"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "connection-reset"),
        (BrokenPipeError(errno.EPIPE, "x"), "connection-reset"),
        (socket.gaierror(-2, "x"), "unreachable"),
        (OSError(errno.EHOSTUNREACH, "x"), "unreachable"),
        (FileNotFoundError(errno.ENOENT, "x"), "unreachable"),
        (OSError(errno.ENOSPC, "x"), "no-space-left"),
        (OSError(errno.EDQUOT, "x"), "no-space-left"),
        (PermissionError(errno.EACCES, "x"), "permission-denied"),
        (OSError(errno.EROFS, "x"), "permission-denied"),
        (OSError(errno.ESTALE, "x"), "stale-file-handle"),
        (OSError(errno.EAGAIN, "x"), "resource-unavailable"),
        (OSError(errno.EIO, "x"), "io-error"),
        (OSError("x"), "io-error"),
        (ssl.SSLCertVerificationError(1, "x"), "permission-denied"),
        (ssl.SSLError(1, "x"), "connection-reset"),
        (KeyError("x"), "unknown"),
        (None, "unknown"),
    ],
)
def test_a_cause_has_one_class(error, kind):
    assert class_of(error) == kind


@pytest.mark.parametrize(
    ("reply", "kind"),
    [("NOAUTH", "permission-denied"), ("LOADING", "server-unavailable"), ("ERR", "snapshot-refused")],
)
def test_a_servers_refusal_has_one_class(reply, kind):
    assert class_of_reply(reply) == kind


@pytest.mark.parametrize("kind", FailureClass)
def test_what_needs_a_person_here_is_permanent_for_the_router(kind):
    judged = adapter_of("backup").classify(Symptom("destination is unreachable" if kind == "not-mounted" else "", kind))
    assert (judged is RoutersClass.PERMANENT) == needs_a_person(kind)
    named = {"not-mounted", "unreachable", "timeout", "connection-refused", "connection-reset", "io-error"}
    assert judged is RoutersClass.TRANSIENT or kind not in named


HELD = Held(databases={"0": 8, "3": 2}, expires={"0": 4}, libraries=1, digest="a" * 40, by="valkey 9.1.2")


def manifest(witness: Held | None = HELD) -> RedisManifest:
    return RedisManifest(
        id="x",
        target="redis",
        run="r",
        round=0,
        source=Source(
            address="h:1",
            run_id="",
            software="",
            version="",
            role="",
            mode="",
            replication_id="",
            offset=0,
            databases={},
        ),
        taken=Taken(mode="stream", replication_id="", offset=0, started_at="", ended_at=""),
        dump=Dump(magic="REDIS", version=11, crc="good", keys=10, expires=4, expired=1, libraries=1),
        witness=witness,
        tools={},
        files=(),
    )


def changed(**more: Any) -> Held:
    return HELD.model_copy(update=more)


@pytest.mark.parametrize(
    ("restored", "verdict", "says"),
    [
        (HELD, None, ""),
        (changed(databases={"0": 8, "3": 2, "9": 0}), None, ""),
        (changed(databases={"0": 8}), "started-and-differs", "database 3 holds 0 keys; the source held 2"),
        (changed(databases={"0": 2, "3": 8}), "started-and-differs", "database 0 holds 2 keys; the source held 8"),
        (changed(databases={"0": 8, "3": 2, "4": 1}), "started-and-differs", "database 4 holds 1 keys"),
        (changed(databases={}), "started-and-differs", "database 0 holds 0 keys"),
        (changed(expires={}), "started-and-differs", "database 0 holds 0 expiring keys; the source held 4"),
        (changed(libraries=0), "started-and-differs", "it holds 0 function libraries"),
        (changed(digest="b" * 40), "started-and-differs", "its content digest is bbbb"),
        (changed(digest="b" * 40, by="valkey 10.0"), "unknown", "a digest by valkey 10.0 can't be held against one by"),
        (changed(by="valkey 10.0"), None, ""),
    ],
)
def test_a_restored_server_must_hold_what_the_source_held(restored, verdict, says):
    told = compare(manifest(), restored)
    assert told.verdict == verdict
    assert says in told.detail
    assert bool(told.detail) == bool(says)


@pytest.mark.parametrize(
    ("restored", "verdict"),
    [(HELD, None), (changed(databases={"0": 9}), "started-and-differs"), (changed(libraries=2), "started-and-differs")],
)
def test_without_a_witness_only_the_dumps_own_counts_are_compared(restored, verdict):
    assert compare(manifest(None), restored).verdict == verdict


def test_a_failure_is_told_in_one_bounded_line():
    told = str(BackupFailed(FailureClass.UNKNOWN, "a\nb " + "x" * 5000))
    assert told.startswith("a b x")
    assert len(told) == 2000
