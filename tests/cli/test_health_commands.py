"""`joelclaw health` reads what the service wrote, and never shows green what is not known any more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.conftest import Cli
from tests.support.server import Server

from joelclaw_cli.health.picture import NEVER, UNDER_WAY, picture
from joelclaw_contracts import CoverageRow, HealthCheck, HealthRound

NOW, CADENCE = 10_000_000, 900_000


def check(**more: Any) -> HealthCheck:
    base = {"state": "ok", "latest": "ok", "since_ms": 1, "checked_ms": NOW, "first_ms": 1, "value": "2 ms"}
    return HealthCheck(component="store", condition="data-path", **{**base, **more})


def round_of(**more: Any) -> HealthRound:
    row = CoverageRow(component="store", condition="data-path", check="c", remediation="alert only", owner="ops")
    return HealthRound(**{"at_ms": NOW, "cadence_ms": CADENCE, "coverage": (row,), **more})


def shown(one: HealthCheck | None, **more: Any) -> str:
    checks = {"store data-path": one} if one else {}
    return picture(checks, round_of(**more), NOW).lines[0].state


def test_a_verdict_is_shown_as_it_is() -> None:
    assert [shown(check(state=s, latest=s)) for s in ("ok", "failing", "unknown")] == ["ok", "failing", "unknown"]


def test_what_is_stale_or_never_checked_is_unknown_and_never_green() -> None:
    assert shown(check(checked_ms=NOW - 2 * CADENCE - 1)) == "unknown"
    assert shown(None) == "unknown"
    assert shown(check(state="new", latest="failing")) == "unknown"


def test_what_is_not_configured_is_not_red() -> None:
    row = CoverageRow(
        component="store", condition="data-path", configured=False, check="c", remediation="alert only", owner="ops"
    )
    assert shown(check(state="failing", latest="failing"), coverage=(row,)) == "not configured"


def test_a_failure_that_is_not_confirmed_says_how_often_it_was_seen() -> None:
    seen = picture({"store data-path": check(latest="failing", failing=1, reason="slow")}, round_of(), NOW)
    assert (seen.lines[0].state, seen.lines[0].reason) == ("ok", "failing 1×: slow")


def put(server: Server, one: HealthCheck, last: HealthRound) -> None:
    with server.client() as client:
        client.hset("{healing/health}:checks", "store data-path", json.dumps(one.to_wire()))
        client.set("{healing/health}:round", json.dumps(last.to_wire()))


def server_now(server: Server) -> int:
    with server.client() as client:
        seconds, micros = client.time()  # type: ignore[misc]  # redis-py types the asynchronous answer too
    return int(seconds) * 1000 + int(micros) // 1000


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("unknown", 2), ("failing", 1)])
def test_the_exit_code_says_whether_something_is_failing(cli: Cli, one_server: Server, state: str, code: int) -> None:
    now = server_now(one_server)
    beats(one_server, started_ms=now - 90_000, at_ms=now)
    put(one_server, check(state=state, latest=state, checked_ms=now), round_of(at_ms=now, findings=("nobody hears",)))
    said = cli("health", "status")
    assert said.code == code
    assert said.envelope["ok"] is (code == 0)
    assert said.envelope["result"]["checks"][0]["state"] == state
    assert said.envelope["result"]["findings"] == ["nobody hears"]
    people = cli("health", "status", people=True)
    assert people.code == code
    for word in ("store", "data-path", state, "alert only", "ops", "nobody hears"):
        assert word in people.out


def test_checks_that_are_late_are_no_success(cli: Cli, one_server: Server) -> None:
    now = server_now(one_server)
    put(one_server, check(checked_ms=1), round_of(at_ms=now - 3 * CADENCE))
    said = cli("health", "status")
    assert (said.code, said.error) == (1, "not_checked")
    assert said.envelope["result"]["checks"][0]["state"] == "unknown"


def test_a_bus_without_a_health_service_says_that_nothing_was_ever_checked(cli: Cli) -> None:
    said = cli("health", "status")
    assert (said.code, said.error) == (1, "not_checked")
    assert said.envelope["result"]["findings"] == [NEVER]


def beats(server: Server, *, started_ms: int, at_ms: int) -> None:
    """The heartbeat of a health service."""
    about = {"at": at_ms, "inHand": 0, "functions": ["system/check-system-health"], "started": started_ms}
    with server.client() as client:
        client.hset("{bus}:workers", "health-1", json.dumps(about))


def test_right_after_the_start_the_first_check_is_under_way_which_is_no_finding_and_no_green(
    cli: Cli, one_server: Server
) -> None:
    now = server_now(one_server)
    beats(one_server, started_ms=now - 5_000, at_ms=now)
    said = cli("health", "status")
    assert (said.code, said.error) == (1, "first_check")
    assert said.envelope["error"]["message"] == UNDER_WAY
    assert said.envelope["result"]["findings"] == []
    people = cli("health", "status", people=True)
    assert UNDER_WAY in people.out
    assert "never" not in people.out


def test_a_first_check_that_does_not_end_is_a_finding_and_so_is_a_service_that_died_before_it(
    cli: Cli, one_server: Server
) -> None:
    now = server_now(one_server)
    beats(one_server, started_ms=now - 90_000, at_ms=now)
    said = cli("health", "status")
    assert (said.code, said.error) == (1, "not_checked")
    assert "has been running for 9" in said.envelope["result"]["findings"][0]
    beats(one_server, started_ms=now - 50_000, at_ms=now - 40_000)
    assert cli("health", "status").envelope["result"]["findings"] == [NEVER]


def test_after_a_long_pause_the_first_check_is_under_way_too_and_what_is_old_is_unknown(
    cli: Cli, one_server: Server
) -> None:
    now = server_now(one_server)
    put(one_server, check(checked_ms=1), round_of(at_ms=now - 3 * CADENCE))
    beats(one_server, started_ms=now - 5_000, at_ms=now)
    said = cli("health", "status")
    assert (said.code, said.error) == (1, "first_check")
    assert [c["state"] for c in said.envelope["result"]["checks"]] == ["unknown"]


def test_a_check_that_nobody_answers_is_a_failure_and_not_a_success(cli: Cli) -> None:
    said = cli("health", "check", "--wait", "200ms")
    assert (said.code, said.error) == (1, "not_answered")


def paused(server: Server, *, until_ms: int = 0) -> None:
    row = {"owner": "ada", "reason": "moving the NAS", "since_ms": server_now(server) - 5_000, "until_ms": until_ms}
    with server.client() as client:
        client.hset("{bus}:pauses", "system/check-system-health", json.dumps(row))


def test_a_paused_check_shows_no_green_and_says_who_paused_it(cli: Cli, one_server: Server) -> None:
    now = server_now(one_server)
    beats(one_server, started_ms=now - 90_000, at_ms=now)
    put(one_server, check(checked_ms=now), round_of(at_ms=now))
    assert cli("health", "status").code == 0
    paused(one_server)
    said = cli("health", "status")
    assert (said.code, said.error) == (1, "check_paused")
    message = said.envelope["error"]["message"]
    assert message.startswith(
        "the check is paused by ada since 5 s, until it is resumed (moving the NAS): nobody looks"
    )
    assert "; the last check was " in message
    assert said.envelope["fix"].startswith("joelclaw bus resume system/check-system-health")
    assert "all that is checked is well" not in cli("health", "status", people=True).out
    asked = cli("health", "check", "--wait", "60s")
    assert (asked.code, asked.error) == (1, "check_paused")
    paused(one_server, until_ms=now - 1)
    assert cli("health", "status").code == 0


def test_a_frozen_health_service_is_no_green_though_its_last_round_is_young(cli: Cli, one_server: Server) -> None:
    now = server_now(one_server)
    beats(one_server, started_ms=now - 90_000, at_ms=now - 60_000)
    put(one_server, check(checked_ms=now), round_of(at_ms=now))
    said = cli("health", "status")
    assert (said.code, said.error) == (1, "not_checked")
    assert "no health service lives: nobody checks; the last check was " in said.envelope["error"]["message"]


def test_what_the_service_did_not_write_is_told_and_ends_nothing(cli: Cli, one_server: Server) -> None:
    now = server_now(one_server)
    beats(one_server, started_ms=now - 90_000, at_ms=now)
    put(one_server, check(checked_ms=now), round_of(at_ms=now))
    with one_server.client() as client:
        client.hset("{healing/health}:checks", b"store \xff", b"{")
    said = cli("health", "status")
    assert said.envelope["result"]["findings"] == [
        r"the verdict on store \xff can't be read: it was not written by this version"
    ]
    with one_server.client() as client:
        client.set("{healing/health}:round", "[]")
    assert cli("health", "status").error == "not_checked"


def test_a_component_that_is_not_there_is_not_checked_as_well(cli: Cli, one_server: Server) -> None:
    now = server_now(one_server)
    beats(one_server, started_ms=now - 90_000, at_ms=now)
    put(one_server, check(checked_ms=now), round_of(at_ms=now))
    said = cli("health", "check", "--component", "stor")
    assert (said.code, said.error) == (3, "not_found")
    assert "there is no component stor; did you mean store?" in said.envelope["error"]["message"]
