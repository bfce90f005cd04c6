"""Replaying a real decision of the router, and trying another configuration on it, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli
from tests.support.server import Server

from joelclaw_bus import Store, StoreSettings, open_store
from joelclaw_contracts import Config, HealingRequested
from joelclaw_healing import Ledger, Voice
from joelclaw_router.desk import Desk
from joelclaw_router.judgement import Bench
from joelclaw_router.request import Request
from joelclaw_router.rulebook import Rulebook

ASKED: dict[str, Any] = {
    "sourceFunction": "tests/prober",
    "targetComponent": "bridge",
    "problemSummary": "it answers 502",
    "attempt": 0,
    "retryPolicy": {},
    "evidence": [],
    "playbook": {},
    "domain": "gateway-bridge",
    "targetEventName": "system/health.check.requested",
}


async def decided(store: Store) -> str:
    """An incident that the router decided to retry in five minutes."""
    desk = Desk(Ledger(store), Bench(Rulebook(Config()), Voice("router", "test", "s1")), lambda: 0.5)
    name = HealingRequested.event_name
    outcome = await desk.decide(Request(name, "1-0", "", HealingRequested.from_wire(ASKED)))
    return str(outcome["incident"])


async def test_a_decision_is_replayed_to_the_identical_one_and_an_altered_record_ends_with_1(
    cli: Cli, one_server: Server
) -> None:
    async with open_store(StoreSettings(one_server.url)) as store:
        incident = await decided(store)
        fine = await to_thread.run_sync(lambda: cli("heal", "replay", incident))
        drawn = await to_thread.run_sync(lambda: cli("heal", "replay", incident, people=True))
        key = store.keys.slot("healing/incidents").key("audit", incident)
        (raw,) = await store.call("LRANGE", key, 0, -1)
        line = json.loads(raw)
        line["decision"]["delay_ms"] += 1
        await store.call("LSET", key, 0, json.dumps(line))
        altered = await to_thread.run_sync(lambda: cli("heal", "replay", incident))
    assert (fine.result["identical"], fine.result["total"]) == (1, 1)
    assert "1 of 1 decisions are identical" in drawn.out
    assert (altered.code, altered.error) == (1, "decisions_differ")


async def test_a_changed_configuration_is_tried_on_what_was_recorded(
    cli: Cli, one_server: Server, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps({"selfHealing": {"router": {"maxRetries": 0}}}))
    async with open_store(StoreSettings(one_server.url)) as store:
        incident = await decided(store)
        said = await to_thread.run_sync(lambda: cli("heal", "simulate", "--config", str(changed), "--since", "1d"))
        drawn = await to_thread.run_sync(lambda: cli("heal", "simulate", "--config", str(changed), people=True))
    (row,) = said.result["incidents"]
    assert row["id"] == incident
    assert (row["changed"]["pages"], row["changed"]["last_rule"]) == (1, "retries-forbidden")
    assert said.result["totals"]["changed"]["pages"] == 1
    assert "1 of 1 incidents differ" in drawn.out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"selfHealing": {"router": {"maxRetrys": 1}}}', "maxRetries"),
        ("{", "JSON"),
    ],
)
def test_a_configuration_that_can_t_be_is_refused_as_the_router_would(
    cli: Cli, one_server: Server, tmp_path: Path, text: str, words: str
) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(text)
    said = cli("heal", "simulate", "--config", str(wrong))
    assert said.code == 2
    assert words in said.envelope["error"]["message"] + said.envelope.get("fix", "")


def test_an_incident_that_is_not_there_is_not_replayed(cli: Cli, one_server: Server) -> None:
    assert cli("heal", "replay", "inc-none").code == 3
