"""Evidence is found by any part of it, newest first, and counted."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Cli
from tests.support.server import Server

from joelclaw_cli.otel import evidence


def emit(cli: Cli, *words: str) -> None:
    assert cli("otel", "emit", *words).code == 0


def test_evidence_is_found_by_action_error_component_and_metadata_case_aside(cli: Cli) -> None:
    emit(cli, "deploy.done", "--component", "Router", "--data", '{"incident": "inc-42"}')
    emit(cli, "disk.check", "--failed", "--error", "No space left")
    for query, action in (
        ("DEPLOY", "deploy.done"),
        ("router", "deploy.done"),
        ("inc-42", "deploy.done"),
        ("no SPACE", "disk.check"),
    ):
        assert [e["action"] for e in cli("otel", "search", query).result["events"]] == [action]
    assert cli("otel", "search", "nothing like it").result["count"] == 0


def test_filters_narrow_and_the_newest_comes_first(cli: Cli) -> None:
    for n in range(3):
        emit(cli, f"a.{n}", "--source", f"s{n}")
    emit(cli, "b", "--failed")
    assert [e["action"] for e in cli("otel", "list", "--limit", "2").result["events"]] == ["b", "a.2"]
    assert [e["action"] for e in cli("otel", "list", "--success", "false").result["events"]] == ["b"]
    assert [e["action"] for e in cli("otel", "list", "--level", "error").result["events"]] == ["b"]
    assert [e["action"] for e in cli("otel", "list", "--source", "s1").result["events"]] == ["a.1"]
    assert cli("otel", "list", "--hours", "0").result["events"] == []
    assert len(cli("otel", "list", "--hours", "1").result["events"]) == 4


def test_it_searches_beyond_the_first_page(cli: Cli, one_server: Server) -> None:
    emit(cli, "needle")
    with one_server.client() as client:
        for _ in range(1200):
            client.xadd("otel/event", {"data": '{"action": "hay", "metadata": {}}'})
    assert cli("otel", "search", "needle").result["count"] == 1


def test_a_search_that_left_older_evidence_says_so_and_can_be_told_to_go_on(
    cli: Cli, one_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MOST", 600)  # more than a page
    emit(cli, "needle")
    with one_server.client() as client:
        for _ in range(600):
            client.xadd("otel/event", {"data": '{"action": "hay", "metadata": {}}'})
    part = cli("otel", "search", "needle").result
    assert (part["count"], part["lookedAt"], part["older"]) == (0, 600, True)
    assert "the newest 600 pieces" in cli("otel", "search", "needle", people=True).out
    assert "--all" in cli("otel", "stats", people=True).out
    assert cli("otel", "stats").result["total"] == 600
    whole = cli("otel", "search", "needle", "--all").result
    assert (whole["count"], whole["older"]) == (1, False)
    assert cli("otel", "stats", "--all").result["total"] == 601
    with one_server.client() as client:
        client.xtrim("otel/event", maxlen=600, approximate=False)
    assert cli("otel", "search", "needle").result["older"] is False, "it looked at exactly all there is"
    assert "pieces" not in cli("otel", "stats", people=True).out


def test_rubbish_on_the_stream_hides_nothing(cli: Cli, one_server: Server) -> None:
    with one_server.client() as client:
        client.xadd("otel/event", {"data": "no json"})
        client.xadd("otel/event", {b"data": b"\xff"})
        client.xadd("otel/event", {"data": '{"action": 5}'})
    emit(cli, "good")
    assert [e["action"] for e in cli("otel", "list").result["events"]] == ["good", 5]
    assert cli("otel", "list", people=True).code == 0


def test_stats_count_by_action_and_level(cli: Cli) -> None:
    emit(cli, "a")
    emit(cli, "a", "--failed")
    emit(cli, "b")
    result = cli("otel", "stats").result
    assert (result["total"], result["failed"], result["levels"]) == (3, 1, {"info": 2, "error": 1})
    assert result["actions"][0] == {"action": "a", "count": 2, "failed": 1}
