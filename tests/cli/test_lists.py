"""Lists that do not hold everything say so and show what matters first; a terminal of 80 columns loses no id."""

from __future__ import annotations

import json
import re

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli
from tests.support.server import Server

from joelclaw_bus import StoreSettings, open_store
from joelclaw_bus.keys import Keys
from joelclaw_healing import Ledger

ANSWER = "system/self.healing.completed"
RUN = "system/self-healing.router:1763770000000-0"


async def incidents(server: Server, count: int, escalated: int) -> list[str]:
    """`count` open ones, the oldest first; the one at index `escalated` waits for a person."""
    ids = [f"inc-{n:012d}" for n in range(count)]
    async with open_store(StoreSettings(server.url)) as store:
        slot = Ledger(store).slot
        for n, one in enumerate(ids):
            state = "escalated" if n == escalated else "open"
            fields = {"id": one, "domain": "gateway-bridge", "target": f"target-{n}", "state": state, "seq": "1"}
            fields |= {"problem": "p" * 90, "opened_ms": str(n + 1), "moved_ms": str(n + 1)}
            await store.call("HSET", slot.key("incident", one), *(x for pair in fields.items() for x in pair))
            await store.call("ZADD", slot.key("moves", "open"), n + 1, one)
        await store.call("ZADD", slot.key("moves", "queue"), escalated + 1, ids[escalated])
    return ids


async def test_incidents_that_wait_for_a_person_come_first_then_the_newest(cli: Cli, one_server: Server) -> None:
    ids = await incidents(one_server, 7, 2)

    def operator() -> None:
        told = cli("heal", "list", "--limit", "3").result
        assert [i["id"] for i in told["incidents"]] == [ids[2], ids[6], ids[5]]
        assert (told["shown"], told["total"]) == (3, 7)
        assert "3 of 7 incidents" in cli("heal", "list", "--limit", "3", people=True).out
        assert " of 7" not in cli("heal", "list", people=True).out
        assert cli("heal", "list", "--queue").result["total"] == 1

    await to_thread.run_sync(operator)


def fill(server: Server, count: int) -> None:
    keys = Keys("")
    slot = keys.slot("a/b")
    with server.client() as client:
        client.xadd("a/b", {"data": "{}"})
        for n in range(count):
            client.xadd(slot.dead, {"kind": "entry", "error": f"e{n}"}, id=f"{n + 1}-0")
            client.zadd(slot.ended, {f"f:{n}": n + 1})
            client.hset(slot.run(f"f:{n}"), mapping={"fn": "f", "state": "ended", "status": "failed"})


def test_runs_and_letters_say_how_many_there_are_and_show_the_newest(cli: Cli, one_server: Server) -> None:
    fill(one_server, 40)
    runs, letters = cli("bus", "runs").result, cli("bus", "dead", "list").result
    assert (runs["shown"], runs["total"], runs["runs"][0]["id"]) == (30, 40, "f:39")
    assert (letters["shown"], letters["total"], letters["letters"][0]["id"]) == (30, 40, "40-0")
    assert cli("bus", "runs", "--state", "failed", "--limit", "5").result["total"] == 40
    assert "30 of 40 runs" in cli("bus", "runs", people=True).out
    assert "30 of 40 letters" in cli("bus", "dead", "list", people=True).out
    assert "of 40" not in cli("bus", "runs", "--limit", "40", people=True).out


def narrow(cli: Cli, *words: str) -> str:
    said = cli(*words, people=True)
    assert said.code == 0, said
    out = said.out
    for line in out.splitlines():
        if "→" not in line:
            assert len(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= 80, line
    return out


def test_tail_at_80_columns_shows_the_answer_with_its_status_rule_and_time(
    cli: Cli, one_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    data = {"domain": "gateway-bridge", "detected": 1, "inspected": 1, "context": {"long": "x" * 500}}
    data |= {"status": "scheduled", "dueAt": "2026-05-01T12:00:00Z", "rule": "retry", "targetComponent": "gateway"}
    event_id = "healing-answer-0123456789abcdef012345"
    with one_server.client() as client:
        client.xadd(ANSWER, {"data": json.dumps(data), "id": event_id[:36]})
    out = narrow(cli, "bus", "tail")
    assert "status=scheduled dueAt=2026-05-01 " in out
    assert "rule=retry targetComponent=gateway" in out
    assert event_id[:36] in out
    assert ANSWER in out


async def test_incidents_at_80_columns_keep_id_state_and_target(
    cli: Cli, one_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ids = await incidents(one_server, 2, 0)
    out = await to_thread.run_sync(lambda: narrow(cli, "heal", "list"))
    for part in (*ids, "escalated", "gateway-bridge target-1", "ppppp"):
        assert part in out, part


def test_runs_streams_and_due_at_80_columns_keep_ids_and_states(
    cli: Cli, one_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    slot = Keys("").slot("system/self.healing.requested")
    with one_server.client() as client:
        client.xadd(slot.stream, {"data": "{}"})
        client.xgroup_create(slot.stream, "system/self-healing.router")
        client.zadd(slot.open, {RUN: 1763770000000})
        record = {"fn": "f", "state": "due", "due": 1763770000000, "error": "the line is down " * 9}
        client.hset(slot.run(RUN), mapping=record)
        client.zadd(slot.due, {f"r:{RUN}": 1763770000000})
    runs = narrow(cli, "bus", "runs")
    assert all(part in runs for part in (RUN, "due", "the line is down"))
    due = narrow(cli, "bus", "due")
    assert all(part in due for part in (RUN, "ago", "system/self.healing.requested: a run goes on"))
    streams = narrow(cli, "bus", "streams")
    assert all(part in streams for part in (slot.name, "system/self-healing.router", "pending"))


@pytest.mark.parametrize("width", ["20", "40", "60"])
def test_the_narrowest_terminal_still_shows_every_id(
    cli: Cli, one_server: Server, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    fill(one_server, 3)
    for words in (("bus", "runs"), ("bus", "dead", "list"), ("bus", "tail"), ("bus", "streams"), ("bus", "due")):
        assert cli(*words, people=True).code == 0
    assert all(f"f:{n}" in cli("bus", "runs", people=True).out for n in range(3))
