"""What the demo claims is what was seen: a proof that is missing fails its act, and the command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from joelclaw_cli.demo.command import answer_of
from joelclaw_cli.demo.play import Played
from joelclaw_cli.demo.proofs import Facts, Proof, Verdict, backup_proofs, restart_proofs, takeover_proofs

BACKUP: dict[str, Any] = {
    "failedExit": 1, "failedCode": "backup_failed",
    "incident": "inc-1", "openState": "open", "answered": "scheduled", "rule": "retry-within-budget",
    "dueMs": 5000, "delayMs": 5000, "retriedMs": 5003, "retryIncident": "inc-1", "retryAttempt": 1,
    "path": "/nas/a", "keys": 3, "sha256": "ab" * 32, "onDisk": True, "verifyExit": 0, "verified": True,
    "closedState": "closed", "end": "resolved", "closing": "remediated",
}  # fmt: skip
TAKEOVER: dict[str, Any] = {
    "heldBy": 1, "killed": 1, "survivor": 2, "stepAtDeath": "two", "killedExit": -9, "silenceMs": 2000,
    "state": "completed", "recorded": {"one": 1, "two": 2, "three": 2},
    "done": {"one": [1], "two": [1, 2], "three": [2]}, "results": 1,
}  # fmt: skip
RESTART: dict[str, Any] = {
    "hung": 1, "answeredBefore": 1, "answeredHung": None, "hungState": "T", "patienceMs": 1000, "asked": 2,
    "restarts": 1, "startsSince": [2], "hungGone": True, "answeredAfter": 2, "goodLooks": 3,
    "answers": ["remediated", "noop"],
}  # fmt: skip
ACTS = [(backup_proofs, BACKUP), (takeover_proofs, TAKEOVER), (restart_proofs, RESTART)]
Prove = Callable[[Facts], list[Proof]]


@pytest.mark.parametrize(("prove", "facts"), ACTS)
def test_what_was_seen_proves_the_act(prove: Prove, facts: dict[str, Any]) -> None:
    assert [proof for proof in prove(facts) if not proof.held] == []


@pytest.mark.parametrize(("prove", "facts"), ACTS)
def test_every_fact_is_needed(prove: Prove, facts: dict[str, Any]) -> None:
    for name in facts:
        proofs = prove({k: v for k, v in facts.items() if k != name})
        assert not Verdict("act", "Act", proofs).ok, name


@pytest.mark.parametrize(
    ("prove", "facts", "wrong"),
    [
        (backup_proofs, BACKUP, {"failedExit": 0}),
        (backup_proofs, BACKUP, {"retriedMs": 4999}),
        (backup_proofs, BACKUP, {"verified": False}),
        (backup_proofs, BACKUP, {"retryIncident": "inc-2"}),
        (backup_proofs, BACKUP, {"end": "dismissed"}),
        (takeover_proofs, TAKEOVER, {"done": {"one": [1, 2], "two": [1, 2], "three": [2]}}),
        (takeover_proofs, TAKEOVER, {"results": 2}),
        (takeover_proofs, TAKEOVER, {"killedExit": 0}),
        (restart_proofs, RESTART, {"startsSince": [2, 3]}),
        (restart_proofs, RESTART, {"startsSince": []}),
        (restart_proofs, RESTART, {"answeredHung": 1}),
        (restart_proofs, RESTART, {"answers": ["remediated", "remediated"]}),
    ],
)
def test_what_went_otherwise_is_not_proven(prove: Prove, facts: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert not all(proof.held for proof in prove({**facts, **wrong}))


def test_one_act_without_its_proof_fails_the_command_and_is_named() -> None:
    good = Verdict("backup", "A backup", backup_proofs(BACKUP))
    seen = {k: v for k, v in RESTART.items() if k != "startsSince"}
    answer = answer_of(Played((good, Verdict("restart", "A runtime", restart_proofs(seen)))), 30.0)
    assert answer.exit_code == 1
    assert answer.trouble is not None
    assert "A runtime" in answer.trouble.message
    assert "not seen: startsSince" in answer.trouble.message
    assert answer_of(Played((good,)), 30.0).exit_code == 0


def test_an_act_that_was_cut_short_is_not_proven_by_what_it_saw_before() -> None:
    cut = Verdict("backup", "A backup", backup_proofs(BACKUP), BACKUP, "the demo's deadline of 90 s was over")
    answer = answer_of(Played((cut,)), 90.0)
    assert answer.exit_code == 1
    assert answer.trouble is not None
    assert "deadline" in answer.trouble.message


def test_no_act_is_no_proof() -> None:
    assert answer_of(Played(()), 1.0).exit_code == 1
    assert not Verdict("act", "Act", ()).ok
