"""What causes are called, what pages, and when a restored copy is the same."""

from __future__ import annotations

import errno
import socket

import pytest

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.policy import Counts, Restored, class_of, class_of_reply, difference, needs_a_person
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


COUNTS = Counts(keys=10, expires=4, expired=1, libraries=1)


@pytest.mark.parametrize(
    ("restored", "says"),
    [
        (Restored({"0": 8, "3": 2}, 0, 0, 1), ""),
        (Restored({"0": 7}, 1, 2, 1), ""),
        (Restored({}, 10, 0, 1), ""),
        (Restored({"0": 9}, 0, 0, 1), "9 keys were restored; 10 were read from the dump and 0 expired"),
        (Restored({"0": 11}, 0, 0, 1), "11 keys"),
        (Restored({}, 0, 0, 1), "0 keys"),
        (Restored({"0": 10}, 0, 0, 0), "0 function libraries"),
    ],
)
def test_restored_keys_are_those_read_but_for_the_expired(restored, says):
    assert difference(COUNTS, restored).startswith(says)
    assert bool(difference(COUNTS, restored)) == bool(says)


def test_a_failure_is_told_in_one_bounded_line():
    told = str(BackupFailed(FailureClass.UNKNOWN, "a\nb " + "x" * 5000))
    assert told.startswith("a b x")
    assert len(told) == 2000
