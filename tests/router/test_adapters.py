from __future__ import annotations

import pytest

from joelclaw_backup.failure import FailureClass as BackupClass
from joelclaw_backup.policy import needs_a_person
from joelclaw_router.adapters import Symptom, adapter_of, is_ours
from joelclaw_router.failure import FailureClass

BACKUP = adapter_of("backup")

MESSAGES = [
    ("rsync: connection timed out", FailureClass.TRANSIENT),
    ("operation timed out after 30 s", FailureClass.TRANSIENT),
    ("request timeout", FailureClass.TRANSIENT),
    ("ssh: connect to host three-body port 22: Connection refused", FailureClass.TRANSIENT),
    ("read: Connection reset by peer", FailureClass.TRANSIENT),
    ("Network is unreachable", FailureClass.TRANSIENT),
    ("kex_exchange_identification: Connection closed by remote host", FailureClass.TRANSIENT),
    ("fork: Resource temporarily unavailable", FailureClass.TRANSIENT),
    ("write failed: Input/output error", FailureClass.TRANSIENT),
    ("stat: Stale NFS file handle", FailureClass.TRANSIENT),
    ("stat: Stale file handle", FailureClass.TRANSIENT),
    ("503 Service Unavailable", FailureClass.TRANSIENT),
    ("snapshot: HTTP status 503", FailureClass.TRANSIENT),
    ("snapshot: HTTP status 429", FailureClass.UNKNOWN),
    ("mkdir: Permission denied", FailureClass.PERMANENT),
    ("ssh: joel@three-body: Permission denied (publickey).", FailureClass.PERMANENT),
    ("write: No space left on device (28); connection unexpectedly closed", FailureClass.PERMANENT),
    ("No snapshot files staged in /data/snapshots", FailureClass.PERMANENT),
    ("Typesense snapshot failed: HTTP 401 Unauthorized", FailureClass.PERMANENT),
    ("snapshot refused: HTTP 400", FailureClass.PERMANENT),
    ("Host key verification failed.", FailureClass.PERMANENT),
    ("local queue: byte cap reached", FailureClass.PERMANENT),
    ("something odd happened", FailureClass.UNKNOWN),
    ("", FailureClass.UNKNOWN),
]


@pytest.mark.parametrize(("message", "kind"), MESSAGES)
def test_a_backup_without_typed_cause_is_classified_by_its_message(message: str, kind: FailureClass) -> None:
    assert BACKUP.classify(Symptom(message)) is kind


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("transient", FailureClass.TRANSIENT),
        ("permanent", FailureClass.PERMANENT),
        ("deferred", FailureClass.DEFERRED),
        ("unknown", FailureClass.UNKNOWN),
        ("Host Key Mismatch", FailureClass.PERMANENT),
        ("ssh_transport", FailureClass.TRANSIENT),
    ],
)
def test_a_typed_cause_is_stronger_than_any_message(cause: str, kind: FailureClass) -> None:
    for message in ("Permission denied", "Connection refused", "odd"):
        assert BACKUP.classify(Symptom(message, cause)) is kind


@pytest.mark.parametrize("cause", BackupClass)
def test_every_class_that_the_backup_service_sends_is_typed_and_a_person_is_wanted_for_the_same_ones(
    cause: BackupClass,
) -> None:
    kinds = {BACKUP.classify(Symptom(message, cause.value)) for message in ("Permission denied", "timed out", "odd")}
    assert len(kinds) == 1, "the table does not know it: the message decided"
    assert (kinds == {FailureClass.PERMANENT}) == needs_a_person(cause)


def test_a_destination_that_is_not_mounted_comes_back_by_itself() -> None:
    assert BACKUP.classify(Symptom("nothing is mounted there", "not-mounted")) is FailureClass.TRANSIENT


def test_a_cause_that_nobody_knows_leaves_it_to_the_message() -> None:
    assert BACKUP.classify(Symptom("Connection refused", "gremlins")) is FailureClass.TRANSIENT


@pytest.mark.parametrize("name", ["redis", "Redis", "system/backup.redis", "backup.redis", " redis "])
def test_a_backup_target_has_one_name(name: str) -> None:
    assert BACKUP.target(name) == "redis"


def test_a_domain_without_adapter_is_retried_within_its_budget() -> None:
    assert adapter_of("webhooks").classify(Symptom("Permission denied")) is FailureClass.TRANSIENT


def test_each_domain_has_one_owner() -> None:
    assert [d for d in ("backup", "all", "webhooks", "inngest-runtime", "sdk-reachability") if is_ours(d)] == [
        "backup",
        "all",
        "webhooks",
    ]
