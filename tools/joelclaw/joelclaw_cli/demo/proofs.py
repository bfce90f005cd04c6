"""What must have been seen for an act to be proven. Pure: the facts that an act gathered in, proofs out.

| act      | proven by                                                                                        |
|----------|--------------------------------------------------------------------------------------------------|
| backup   | the command failed; an incident with a due retry; the retry came, not early; the copy on the disk, |
|          | read again; the incident closed by that retry                                                    |
| takeover | the holder was killed in its work; another completed the run; a recorded step was done once        |
| restart  | the runtime answered nothing; it was started once more, and no more; it answers; who asked was told |

A fact that is missing is a proof that failed, never an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Facts = Mapping[str, Any]
NOT_SEEN = "not seen"


@dataclass(frozen=True, slots=True)
class Proof:
    """`seen`: what shows it, or what was seen instead."""

    claim: str
    held: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One act, judged. `why`: what kept it from its end; '' if nothing did."""

    name: str
    title: str
    proofs: Sequence[Proof]
    facts: Facts = field(default_factory=dict)
    why: str = ""

    @property
    def ok(self) -> bool:
        return not self.why and bool(self.proofs) and all(proof.held for proof in self.proofs)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "ok": self.ok,
            "why": self.why,
            "proofs": [{"claim": p.claim, "held": p.held, "seen": p.seen} for p in self.proofs],
            "facts": dict(self.facts),
        }


def backup_proofs(facts: Facts) -> list[Proof]:
    """Of the destination that went away and came back."""
    incident, due = facts.get("incident"), facts.get("dueMs", 0)
    return [
        _proof(
            "the backup failed while its destination was away",
            facts,
            lambda f: f["failedExit"] == 1 and f["failedCode"] == "backup_failed",
            lambda f: f"exit code {f['failedExit']}, {f['failedCode']}",
        ),
        _proof(
            "an incident was opened, and a retry scheduled",
            facts,
            lambda f: f["openState"] == "open" and f["answered"] == "scheduled" and f["delayMs"] > 0,
            lambda f: f"{f['incident']}, retry {f['rule']}, {f['delayMs']} ms later",
        ),
        _proof(
            "the retry came by itself, and not early",
            facts,
            lambda f: f["retriedMs"] >= due > 0 and f["retryIncident"] == incident,
            lambda f: f"{f['retriedMs'] - due} ms after it was due, attempt {f['retryAttempt']}",
        ),
        _proof(
            "the copy is stored, and was read again and found whole",
            facts,
            lambda f: f["verifyExit"] == 0 and f["verified"] is True and f["onDisk"] is True and f["keys"] > 0,
            lambda f: f"{f['path']}, {f['keys']} keys, sha256 {f['sha256'][:12]}",
        ),
        _proof(
            "the incident is closed, remediated",
            facts,
            lambda f: f["closedState"] == "closed" and f["end"] == "resolved" and f["closing"] == "remediated",
            lambda f: f"{f['incident']} {f['closedState']}, {f['end']}; answer {f['closing']}",
        ),
    ]


def takeover_proofs(facts: Facts) -> list[Proof]:
    """Of the worker that was killed in the middle of a run."""
    killed, other = facts.get("killed"), facts.get("survivor")
    return [
        _proof(
            "the worker that held the run was killed in the middle of it",
            facts,
            lambda f: f["killedExit"] == -9 and f["heldBy"] == killed and f["stepAtDeath"] == "two",
            lambda f: f"process {killed} ended by signal {-f['killedExit']} in step {f['stepAtDeath']}",
        ),
        _proof(
            "the other one completed it",
            facts,
            lambda f: f["state"] == "completed" and f["recorded"]["three"] == other != killed,
            lambda f: f"{f['state']} by process {f['recorded']['three']}, {f['silenceMs']} ms after the kill",
        ),
        _proof(
            "the step that was recorded was not repeated",
            facts,
            lambda f: f["done"]["one"] == [killed] and f["recorded"]["one"] == killed,
            lambda f: (
                f"step one was done by {_all(f['done']['one'])}, step two, unrecorded, by {_all(f['done']['two'])}"
            ),
        ),
        _proof("its result was sent once", facts, lambda f: f["results"] == 1, lambda f: f"{f['results']} event"),
    ]


def restart_proofs(facts: Facts) -> list[Proof]:
    """Of the runtime that hung."""
    hung = facts.get("hung")
    return [
        _proof(
            "the runtime hung: alive, and silent",
            facts,
            lambda f: f["answeredBefore"] == hung and f["answeredHung"] is None and f["hungState"] == "T",
            lambda f: f"process {hung} answered, was stopped, and answered nothing for {f['patienceMs']} ms",
        ),
        _proof(
            "it was restarted exactly once, though two asked",
            facts,
            lambda f: f["asked"] == 2 and f["restarts"] == 1 and len(f["startsSince"]) == 1 and f["hungGone"] is True,
            lambda f: f"{f['asked']} reports, starts since then: {len(f['startsSince'])} ({_all(f['startsSince'])})",
        ),
        _proof(
            "it answers again, and stayed well",
            facts,
            lambda f: f["startsSince"] == [f["answeredAfter"]] and f["goodLooks"] >= 2,
            lambda f: f"process {f['answeredAfter']} answers; {f['goodLooks']} good looks in a row",
        ),
        _proof(
            "who asked was told: one remediated, one that nothing was left to do",
            facts,
            lambda f: sorted(f["answers"]) == ["noop", "remediated"],
            lambda f: ", ".join(f["answers"]),
        ),
    ]


def _proof(claim: str, facts: Facts, held: Callable[[Any], bool], seen: Callable[[Any], str]) -> Proof:
    try:
        return Proof(claim, bool(held(facts)), seen(facts))
    except (KeyError, TypeError, ValueError) as missing:
        return Proof(claim, False, f"{NOT_SEEN}: {missing.args[0]}" if isinstance(missing, KeyError) else NOT_SEEN)


def _all(pids: Sequence[int]) -> str:
    return " and ".join(f"process {pid}" for pid in pids) or "nobody"
