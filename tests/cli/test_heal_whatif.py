"""Replaying a real decision of the router, and trying another configuration on it, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli
from tests.support.server import Server

from joelclaw_bus import Store, StoreSettings, open_store
from joelclaw_contracts import Config, HealingRequested
from joelclaw_healing import Ledger, Voice, dismiss_incident
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


async def three_moves(store: Store) -> tuple[str, str]:
    """(an incident with a judgement, a closing and a judgement; where its record lies)."""
    incident = await decided(store)
    voice = Voice("cli", "test", "s1")
    await dismiss_incident(Ledger(store), incident, actor="ada", reason="once more", voice=voice)
    desk = Desk(Ledger(store), Bench(Rulebook(Config()), Voice("router", "test", "s1")), lambda: 0.5)
    await desk.decide(Request(HealingRequested.event_name, "2-0", "", HealingRequested.from_wire(ASKED)))
    return incident, store.keys.slot("healing/incidents").key("audit", incident)


SPOILT: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "the first is gone": (lambda rows: rows[1:], "move 1 is missing"),
    "one in the middle is gone": (lambda rows: [rows[0], rows[2]], "move 2 is missing"),
    "the last is gone": (lambda rows: rows[:-1], "move 3 is missing"),
    "all are gone but one": (lambda rows: rows[1:2], "move 1 is missing"),
    "one is repeated": (lambda rows: [*rows, rows[2]], "move 3 stands where move 4 should"),
    "two are swapped": (lambda rows: [rows[1], rows[0], rows[2]], "move 1 stands where move"),
    "one can't be read": (lambda rows: [rows[0], b"{", rows[2]], "line 2 can't be read"),
    "one is put in": (lambda rows: [*rows, b'{"seq": 4, "at": 1, "move": "x"}'], "the incident counts 3 only"),
    "one has lost its failure": (
        lambda rows: [*rows[:2], json.dumps({k: v for k, v in json.loads(rows[2]).items() if k != "failure"}).encode()],
        "1 of 2 decisions",
    ),
}


@pytest.mark.parametrize("how", SPOILT)
async def test_a_record_that_is_not_whole_ends_with_1_and_says_where(cli: Cli, one_server: Server, how: str) -> None:
    spoil, words = SPOILT[how]
    async with open_store(StoreSettings(one_server.url)) as store:
        incident, key = await three_moves(store)
        whole = await to_thread.run_sync(lambda: cli("heal", "replay", incident))
        rows = await store.call("LRANGE", key, 0, -1)
        await store.call("DEL", key)
        await store.call("RPUSH", key, *spoil(rows))
        said = await to_thread.run_sync(lambda: cli("heal", "replay", incident))
    assert (whole.code, whole.result["flaws"], whole.result["total"]) == (0, [], 2)
    assert said.code == 1
    assert words in said.envelope["error"]["message"]
    assert f"joelclaw heal show {incident}" in said.envelope["fix"]


async def test_a_simulation_of_nothing_says_so_and_exits_with_3(cli: Cli, one_server: Server, tmp_path: Path) -> None:
    changed = tmp_path / "changed.json"
    changed.write_text("{}")
    said = await to_thread.run_sync(lambda: cli("heal", "simulate", "--config", str(changed)))
    assert (said.code, said.error) == (3, "nothing_recorded")
    people = await to_thread.run_sync(lambda: cli("heal", "simulate", "--config", str(changed), people=True))
    assert people.code == 3
    assert "no incident was opened within the window, so nothing was compared" in people.out
    assert "differ" not in people.out
    async with open_store(StoreSettings(one_server.url)) as store:
        incident = await decided(store)
        await store.call("DEL", store.keys.slot("healing/incidents").key("audit", incident))
    unreadable = await to_thread.run_sync(lambda: cli("heal", "simulate", "--config", str(changed)))
    assert (unreadable.code, unreadable.error) == (1, "nothing_simulated")


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


def test_how_often_the_models_agree_is_told_by_model_with_what_they_cost(cli: Cli, one_server: Server) -> None:
    asked = {
        "rule": "model-advised",
        "planned": "retry",
        "tokensIn": 11,
        "tokensOut": 7,
        "latencyMs": 40,
        "shadow": True,
    }
    for advised in ("retry", "retry", "pause"):
        told = asked | {"model": "o3", "advised": advised, "agrees": advised == "retry"}
        assert cli("otel", "emit", "system.self-healing.router.model", "--data", json.dumps(told)).code == 0
    silent = {"rule": "model-silent", "planned": "retry", "latencyMs": 900}
    assert cli("otel", "emit", "system.self-healing.router.model", "--data", json.dumps(silent)).code == 0
    nobody, o3 = cli("heal", "advice").result["models"]
    assert (o3["model"], o3["answers"], round(o3["rate"], 2), o3["shadow"]) == ("o3", 3, 0.67, 3)
    assert (o3["tokensIn"], o3["medianMs"], o3["otherwise"]) == (33, 40, {"retry -> pause": 1})
    assert (nobody["rate"], nobody["worstMs"]) == (None, 900)
    assert "67%" in cli("heal", "advice", people=True).out
