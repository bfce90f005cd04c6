"""Incidents as an operator sees them, and the kill switch with its owner and reason."""

from __future__ import annotations

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli
from tests.support.server import Server

from joelclaw_bus import StoreSettings, open_store
from joelclaw_healing import Ledger, Made, Move, Report
from joelclaw_healing.lifecycle import reported


async def broken(server: Server) -> str:
    """An open incident, made as services make them."""
    async with open_store(StoreSettings(server.url)) as store:
        ledger = Ledger(store)
        look = await ledger.look("gateway-bridge", "gateway")
        report = Report("event-1", "gateway-bridge", "gateway", look.now, owner="ops", problem="no acks for 10 minutes")
        incident = reported(None, report, look.now)
        move = Move("test", outcome={}, audit={"what": "opened"}, after=incident)
        assert isinstance(await ledger.make(look, move), Made)
        return incident.id


async def test_an_incident_is_listed_shown_and_dismissed(cli: Cli, one_server: Server) -> None:
    incident = await broken(one_server)

    def operator() -> None:
        (listed,) = cli("heal", "list").result["incidents"]
        assert (listed["id"], listed["problem"]) == (incident, "no acks for 10 minutes")
        assert incident in cli("heal", "list", people=True).out
        shown = cli("heal", "show", incident)
        assert shown.result["timeline"][0]["what"] == "opened"
        assert cli("heal", "show", incident, people=True).code == 0
        assert cli("heal", "dismiss", incident, "--reason", "retired").error == "usage", "nobody confirms"
        assert cli("heal", "dismiss", incident, "--reason", "retired", "--yes").code == 0
        assert cli("heal", "list").result["incidents"] == []
        (closed,) = cli("heal", "list", "--closed").result["incidents"]
        assert (closed["state"], closed["end"]) == ("closed", "dismissed")
        assert cli("heal", "dismiss", incident, "--reason", "again", "--yes").error == "incident_refused"

    await to_thread.run_sync(operator)


def test_an_unknown_incident_exits_3(cli: Cli) -> None:
    said = cli("heal", "show", "inc-none")
    assert (said.code, said.error) == (3, "not_found")
    assert "joelclaw heal list" in said.err


def test_the_kill_switch_keeps_its_first_owner_and_reason_and_everybody_sees_it(cli: Cli) -> None:
    first = cli("heal", "stop", "--reason", "moving the NAS").result
    assert (first["stopped"], first["changed"], first["reason"]) == (True, True, "moving the NAS")
    assert first["owner"]
    second = cli("heal", "stop", "--reason", "another").result
    assert (second["changed"], second["reason"]) == (False, "moving the NAS")
    assert "moving the NAS" in cli("heal", "list", people=True).out
    assert cli("heal", "start").result == {
        "stopped": False,
        "changed": True,
        "owner": None,
        "reason": None,
        "since": None,
    }
    assert cli("heal", "list").result["stopped"] is None


@pytest.mark.parametrize("words", [("heal", "stop"), ("heal", "dismiss", "inc-1")])
def test_what_changes_much_wants_a_reason(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli(*words).error == "usage"
