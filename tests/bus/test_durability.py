"""The promise in words: each level says what it can lose, and no more than the server's settings allow."""

from __future__ import annotations

import pytest

from joelclaw_bus.durability import NOTHING, Durability, Kind, ServerFacts, hindrance, promise

GOOD = ServerFacts(append_only=True, fsync="everysec", waitaof=True, replicas=2, kind="sentinel")


def facts(
    append_only: bool = True, fsync: str = "everysec", waitaof: bool = True, replicas: int = 0, kind: Kind = "single"
) -> ServerFacts:
    return ServerFacts(append_only, fsync, waitaof, replicas, kind)


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
        ("memory", facts(append_only=False), "last snapshot", "last snapshot", "no replica"),
        ("memory", GOOD, "stalls", "2 seconds", "not reached the replica"),
        ("local", facts(), NOTHING, NOTHING, "no replica"),
        ("local", facts(kind="cluster", replicas=1), NOTHING, NOTHING, "not reached the replica"),
        ("replica", GOOD, NOTHING, "on other machines", NOTHING),
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
        ("memory", facts(append_only=False, waitaof=False), 1, ""),
        ("local", facts(), 1, ""),
        ("local", facts(waitaof=False, fsync="always"), 1, ""),
        ("local", facts(append_only=False), 1, "appendonly yes"),
        ("local", facts(waitaof=False), 1, "appendfsync is everysec"),
        ("local", facts(waitaof=False, fsync="unknown"), 1, "appendfsync is unknown"),
        ("replica", facts(replicas=1), 1, ""),
        ("replica", facts(replicas=0), 1, "needs 1 online and the server reports 0"),
        ("replica", facts(replicas=1), 2, "needs 2 online and the server reports 1"),
    ],
)
def test_a_server_that_cannot_give_a_level_is_told_why(level: str, given: ServerFacts, at_least: int, why: str) -> None:
    said = hindrance(Durability(level), given, at_least)
    assert (said == "") == (why == "")
    assert why in said


def test_a_hindrance_is_one_line_with_a_remedy() -> None:
    said = hindrance(Durability.LOCAL, facts(waitaof=False))
    assert "\n" not in said
    assert "set appendfsync always, or JOELCLAW_DURABILITY=memory" in said
