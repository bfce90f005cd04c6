"""The promise in words: each level says what it can lose, and no more than the server's settings allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from joelclaw_bus import load_script
from joelclaw_bus.durability import ALWAYS, NOTHING, Durability, Kind, ServerFacts, hindrance, promise
from joelclaw_bus.script import scripts_of

GOOD = ServerFacts(append_only=True, fsync="everysec", replicas=2, kind="sentinel")


def facts(
    append_only: bool = True,
    fsync: str = "everysec",
    replicas: int = 0,
    kind: Kind = "single",
    sync_pauses: bool = False,
) -> ServerFacts:
    return ServerFacts(append_only, fsync, replicas, kind, sync_pauses)


def test_the_three_levels_say_three_different_sentences() -> None:
    sentences = {promise(level, GOOD).sentence for level in Durability}
    assert len(sentences) == 3
    assert all(sentence.startswith("Acknowledged means: ") for sentence in sentences)


@pytest.mark.parametrize(
    ("level", "given", "killed", "power", "failover"),
    [
        ("memory", facts(), "stalls", "2 seconds", "no replica"),
        ("memory", facts(fsync="always"), "stalls", NOTHING, "no replica"),
        ("memory", facts(fsync="no"), "stalls", "30 seconds", "no replica"),
        (
            "memory",
            facts(fsync="always", sync_pauses=True),
            "stalls",
            "since a rewrite or snapshot began",
            "no replica",
        ),
        ("memory", facts(append_only=False), "last snapshot", "last snapshot", "no replica"),
        ("memory", GOOD, *["not reached the replica"] * 3),
        ("local", facts(), NOTHING, NOTHING, "no replica"),
        ("local", facts(kind="cluster", replicas=1), *["not reached the replica"] * 3),
        ("local", facts(kind="cluster"), NOTHING, NOTHING, "not reached the replica"),
        ("replica", GOOD, NOTHING, "if all machines lose it at once", NOTHING),
        ("replica", facts(append_only=False, replicas=1), "last snapshot", "promote a replica", NOTHING),
    ],
)
def test_what_can_be_lost_follows_from_level_and_settings(
    level: str, given: ServerFacts, killed: str, power: str, failover: str
) -> None:
    losses = promise(Durability(level), given).losses
    assert killed in losses.server_killed
    assert power in losses.power_cut
    assert failover in losses.failover


@pytest.mark.parametrize(
    ("level", "given", "at_least", "why"),
    [
        ("memory", facts(append_only=False), 1, ""),
        ("local", facts(fsync="always"), 1, ""),
        ("local", facts(append_only=False), 1, "appendonly yes"),
        ("local", facts(), 1, "and it is everysec"),
        ("local", facts(fsync="unknown"), 1, "and it is unknown"),
        ("local", facts(fsync="always", sync_pauses=True), 1, "no-appendfsync-on-rewrite is yes"),
        ("memory", facts(fsync="always", sync_pauses=True), 1, ""),
        ("replica", facts(replicas=1), 1, ""),
        ("replica", facts(replicas=0), 1, "needs 1 online and the server reports 0"),
        ("replica", facts(replicas=1), 2, "needs 2 online and the server reports 1"),
    ],
)
def test_a_server_that_cannot_give_a_level_is_told_why(level: str, given: ServerFacts, at_least: int, why: str) -> None:
    said = hindrance(Durability(level), given, at_least)
    assert (said == "") == (why == "")
    assert why in said


@pytest.mark.parametrize(
    ("given", "remedy"), [(facts(), "set it"), (facts(fsync="always", sync_pauses=True), "set it to no")]
)
def test_a_hindrance_is_one_line_with_a_remedy(given: ServerFacts, remedy: str) -> None:
    said = hindrance(Durability.LOCAL, given)
    assert "\n" not in said
    assert f"{remedy}, or JOELCLAW_DURABILITY=memory" in said


@pytest.mark.parametrize("kind", ["single", "sentinel", "cluster"])
def test_the_page_on_promises_says_the_same(kind: Kind) -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "promises.md").read_text().split())
    for level in Durability:
        fsync = "always" if level is Durability.LOCAL else "everysec"
        made = promise(level, facts(kind=kind, fsync=fsync, replicas=0 if kind == "single" else 1))
        for said in (made.sentence, *(loss for _, loss in made.losses.rows())):
            assert said in page, (kind, level, said)
    assert all(always in page for always in ALWAYS)


NEED_NOT_WAIT = {
    *("begin", "ensure_group", "hand_back", "housekeep", "keep_permit", "mend", "outbox_done", "outbox_take"),
    *("audit_runs", "audit_slot", "audit_pending", "mend_permit", "mend_pending", "mend_waits"),
    *("outbox_again", "outbox_try", "promote", "register_schedule", "renew", "retire", "standing", "takeover"),
}


def test_every_script_waits_for_its_level_but_those_that_say_why_not() -> None:
    """A new script waits unless it is named here, too: to lose what somebody relied on must be a decision."""
    assert {n for n in scripts_of("joelclaw_bus") if not load_script("joelclaw_bus", n).confirmed} <= NEED_NOT_WAIT
    for package, reads in (("joelclaw_healing", {"look"}), ("joelclaw_health", set[str]())):
        assert {name for name in scripts_of(package) if not load_script(package, name).confirmed} == reads
