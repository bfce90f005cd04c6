"""`joelclaw doctor`: what is wrong is found, with what to do; what can't be read is never called well."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread
from tests.cli.conftest import Cli
from tests.support.open_work import ASK, Asked, OpenWork
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.workers import working

from joelclaw_bus import Functions, Publisher, StoreSettings, event, open_store
from joelclaw_bus.doctor.check import Check, exit_code
from joelclaw_bus.doctor.server import ServerSeen, judge_server
from joelclaw_bus.durability import Durability
from joelclaw_bus.observer import RunEnded
from joelclaw_bus.pauses import pause
from joelclaw_contracts import Config, HealingRequested
from joelclaw_healing import Ledger, Voice
from joelclaw_router.desk import Desk
from joelclaw_router.judgement import Bench
from joelclaw_router.request import Request
from joelclaw_router.rulebook import Rulebook


def configure(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture(autouse=True)
def alerts_somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.json"
    configure(path, json.dumps({"alerts": {"owners": {"ada": ["log"]}, "defaultOwner": "ada"}}))
    monkeypatch.setenv("JOELCLAW_CONFIG", str(path))
    return path


@pytest.fixture
async def work(one_server: Server) -> AsyncIterator[OpenWork]:
    async with open_store(StoreSettings(one_server.url)) as store:
        work = OpenWork(store, soon_ms=3_600_000)
        await work.prepare()
        yield work


async def examined(cli: Cli, *words: str) -> tuple[int, list[dict[str, str]]]:
    said = await to_thread.run_sync(lambda: cli("doctor", *words))
    checks: list[dict[str, str]] = said.envelope["result"]["checks"]
    return said.code, checks


async def settled(work: OpenWork) -> None:
    """As if nothing had moved for long."""
    for run in await work.store.call("ZRANGE", work.slot.open, 0, -1):
        await work.store.call("ZADD", work.slot.open, "XX", 1, run)


def of(checks: list[dict[str, str]], state: str) -> list[str]:
    return [f"{c['where']}: {c['what']}" for c in checks if c["state"] == state]


def has(lines: list[str], words: str) -> bool:
    return any(words in line for line in lines)


async def test_a_store_at_work_is_well(cli: Cli, one_server: Server) -> None:
    functions = Functions()

    @functions.function(ASK, on=[event(Asked)], retries=1)
    async def ask(e: Any, step: Any) -> None: ...

    async with open_store(StoreSettings(one_server.url)) as store, working(store, functions) as seen:
        await Publisher(store).send(Asked(n=1), id="one")
        await seen.wait(RunEnded)
        await until(lambda: store.call("HLEN", store.keys.workers))
        code, checks = await examined(cli)
        drawn = await to_thread.run_sync(lambda: cli("doctor", people=True))
    assert (code, of(checks, "finding"), of(checks, "not known")) == (0, [], [])
    well = of(checks, "ok")
    assert has(well, "durability memory. Acknowledged means: in the server's memory.")
    assert has(well, "it lacks nothing")
    assert has(well, "an id is known for 24 h on 1 stream(s)")
    assert has(well, "workers: 1 live")
    assert (drawn.code, "nothing is wrong" in drawn.out) == (0, True)


async def test_work_that_nobody_will_do_is_found_each_with_what_to_do(cli: Cli, work: OpenWork) -> None:
    store, slot = work.store, work.slot
    past = await store.time_ms() - 60_000
    await store.call("XGROUP", "CREATE", slot.stream, "test/gone", "0")
    await store.call("ZADD", slot.due, past, "r:" + work.runs["rests"])
    await store.call("HSET", work.record("rests"), "due", past)
    await store.call("ZADD", slot.outbox, past, "event:test/told:dies")
    await store.call("HSET", store.keys.workers, "old-worker", json.dumps({"at": past, "functions": [ASK]}))
    await store.call("HSET", store.keys.services, "asker", json.dumps({"at": past, "functions": [ASK]}))
    await store.call("XADD", slot.dead, "*", "kind", "run")
    await settled(work)
    await pause(store, "test/other", owner="ada", reason="moving")
    code, checks = await examined(cli)
    found, warned = of(checks, "finding"), of(checks, "warning")
    assert code == 1
    assert has(found, "test/asked: nobody reads it for test/gone: ")
    assert has(found, "test/asked: 1 timers are overdue, the first by 1 min")
    assert has(found, "test/asked: 1 items in its outbox are not delivered, the first is 1 min late")
    assert has(found, "old-worker: its last heartbeat is 1 min old: it died, is frozen, or")
    assert has(found, f"asker: no live worker has its functions: {ASK}")
    assert has(found, f"{work.runs['woken']}: it is ready, and no live worker has {ASK}")
    assert has(found, "which is over: nobody promotes")
    assert has(warned, "test/asked: 1 dead letters wait for a person")
    assert has(warned, "test/other: paused by ada without an end: moving")
    assert all(c["todo"] for c in checks if c["state"] in ("finding", "not known"))


async def test_a_stopped_suite_says_who_stopped_it_since_when_and_why(cli: Cli, work: OpenWork) -> None:
    _, before = await examined(cli)
    assert has(of(before, "ok"), "kill switch: off: the suite may act")
    await Ledger(work.store).stop(actor="ada", reason="moving the NAS")
    _, checks = await examined(cli)
    (line,) = [line for line in of(checks, "warning") if line.startswith("kill switch")]
    assert "all acting is stopped since 2" in line
    assert line.endswith("by ada, until it is started again: moving the NAS")


async def test_an_incident_that_waits_for_a_person_is_a_finding_and_one_that_heals_is_none(
    cli: Cli, work: OpenWork
) -> None:
    assert has(of((await examined(cli))[1], "ok"), "incidents: none is open")
    desk = Desk(Ledger(work.store), Bench(Rulebook(Config()), Voice("router", "test", "s1")), lambda: 0.5)
    asked = {"sourceFunction": "t", "targetComponent": "bridge", "problemSummary": "it answers 502", "attempt": 0}
    asked |= {"evidence": [], "playbook": {}, "domain": "gateway-bridge"}
    for entry, more in (
        ("1-0", {"retryPolicy": {}}),
        ("2-0", {"retryPolicy": {"maxRetries": 0}, "targetComponent": "b"}),
    ):
        wire = {**asked, "targetEventName": "system/health.check.requested", **more}
        await desk.decide(Request(HealingRequested.event_name, entry, "", HealingRequested.from_wire(wire)))
        if entry == "1-0":
            assert has(of((await examined(cli))[1], "ok"), "incidents: 1 open; none waits for a person")
    code, checks = await examined(cli)
    (line,) = [line for line in of(checks, "finding") if "waits for a person" in line]
    assert (code, line.startswith("gateway-bridge b: inc-")) == (1, True)
    assert line.endswith("waits for a person: it answers 502")


async def test_a_day_s_lost_streams_are_a_finding_by_the_evidence_that_was_left(cli: Cli, work: OpenWork) -> None:
    assert has(of((await examined(cli))[1], "ok"), "losses: no stream was lost within a day")
    lost = {"action": "bus.stream.lost", "metadata": {"stream": "test/asked", "resumedAt": "0-0"}}
    await work.store.call("XADD", "otel/event", "*", "data", json.dumps(lost))
    _, checks = await examined(cli)
    (line,) = [line for line in of(checks, "finding") if line.startswith("losses")]
    assert ": test/asked; told for a day" in line


async def test_health_that_nobody_looks_after_or_that_fails_is_told(cli: Cli, work: OpenWork) -> None:
    _, checks = await examined(cli)
    assert has(of(checks, "warning"), "health: no health service ever ran on this bus")
    await work.store.call("HSET", work.store.keys.functions, "system/check-system-health", "{}")
    assert has(of((await examined(cli))[1], "finding"), "health: no check has ever run: is the health service running?")
    now = await work.store.time_ms()
    row = {"at": now, "functions": ["system/check-system-health"], "started": now, "inHand": 0}
    await work.store.call("HSET", work.store.keys.workers, "health-1", json.dumps(row))
    assert has(of((await examined(cli))[1], "not known"), "health: the first check is under way")


async def test_what_can_t_be_read_of_the_suite_is_not_known_part_by_part(cli: Cli, work: OpenWork) -> None:
    slot = work.store.keys.slot("healing/incidents")
    await work.store.call("SET", slot.key("switch"), "no hash")
    await work.store.call("ZADD", slot.key("moves", "queue"), 1, "inc-1")
    await work.store.call("HSET", slot.key("incident", "inc-1"), "id", "inc-1", "state", "no such state")
    _, checks = await examined(cli)
    unknown = of(checks, "not known")
    assert has(unknown, "kill switch: it can't be read: ")
    assert has(unknown, "incidents: it can't be read: ")
    assert has(of(checks, "ok"), "losses: ")


async def test_a_function_that_no_worker_has_is_found_though_its_service_has_others(cli: Cli, work: OpenWork) -> None:
    now = await work.store.time_ms()
    row = {"at": now, "functions": [ASK, "test/other"]}
    await work.store.call("HSET", work.store.keys.services, "asker", json.dumps(row))
    await work.store.call("HSET", work.store.keys.workers, "w", json.dumps({"at": now, "functions": [ASK]}))
    assert has(of((await examined(cli))[1], "finding"), "asker: no live worker has its functions: test/other")


async def test_a_frozen_worker_is_named_with_its_service_and_one_from_the_future_is_not_known(
    cli: Cli, work: OpenWork
) -> None:
    now = await work.store.time_ms()
    for name, at in (("frozen", now - 90_000), ("future", now + 3_600_000)):
        row = {"at": at, "functions": [ASK], "service": "asker"}
        await work.store.call("HSET", work.store.keys.workers, name, json.dumps(row))
    _, checks = await examined(cli)
    assert has(of(checks, "finding"), "frozen: its last heartbeat, of asker, is 2 min old: it died, is frozen, or")
    assert has(of(checks, "not known"), "future: its heartbeat can't be read")
    assert not has(of(checks, "ok"), "workers: ")


def test_a_clock_that_can_t_be_compared_is_not_known() -> None:
    def said(skew_ms: float, slack_ms: float) -> str:
        seen = ServerSeen("here", b"redis_version:7.2.0", {}, skew_ms, slack_ms)
        return next(c.state for c in judge_server(seen, Durability.MEMORY, 1, "single") if "clock" in c.what)

    assert [said(0, 10), said(900, 3_000), said(5_000, 3_000), said(90_000, 10)] == [
        "ok",
        "not known",
        "warning",
        "finding",
    ]


async def many_sleep(work: OpenWork, names: list[str], each: int) -> None:
    """Runs that sleep well, on streams that come before `test/asked` and moved longer ago than what lies there."""
    store, later = work.store, await work.store.time_ms() + 3_600_000
    for name in names:
        slot = store.keys.slot(name)
        await store.call("HSET", store.keys.slots, name, 1)
        for n in range(each):
            run = f"{ASK}:{name}-{n}"
            await store.call("HSET", slot.run(run), "fn", ASK, "state", "due", "at", "s1-1", "due", later)
            await store.call("ZADD", slot.due, later, f"r:{run}")
            await store.call("ZADD", slot.open, 0, run)


@pytest.mark.parametrize("names", [["test/asked"], [f"test/a{n}" for n in range(9)]])
async def test_long_sleepers_hide_no_stuck_run_and_who_was_not_looked_at_is_told(
    cli: Cli, work: OpenWork, names: list[str]
) -> None:
    await many_sleep(work, names, 270 // len(names))
    past = await work.store.time_ms() - 60_000
    await work.store.call("HSET", work.record("rests"), "due", past)
    await work.store.call("ZADD", work.slot.due, past, "r:" + work.runs["rests"])
    await settled(work)
    _, checks = await examined(cli)
    found = of(checks, "finding")
    assert has(found, f"{work.runs['woken']}: it is ready, and no live worker has {ASK}")
    assert has([line for line in found if line.startswith(work.runs["rests"])], "which is over: nobody promotes")
    open_runs = 270 + len(set(work.runs) - {"over"})
    assert has(of(checks, "not known"), f"runs: {open_runs - 200} were not looked at, of {open_runs} that are open")
    assert not has(of(checks, "ok"), "runs: ")


async def test_a_strangers_group_that_is_read_is_well_and_one_that_lags_far_is_found(cli: Cli, work: OpenWork) -> None:
    stream, long_ago = work.store.keys.slot("test/other").stream, await work.store.time_ms() - 5 * 86_400_000
    await work.store.call("XADD", stream, f"{long_ago}-0", "data", "{}")
    await work.store.call("XGROUP", "CREATE", stream, "their-group", "0")
    read = ("XREADGROUP", "GROUP", "their-group", "they", "COUNT", 1, "STREAMS", stream, ">")
    await work.store.call(*read)
    _, checks = await examined(cli)
    assert not has(of(checks, "finding"), "nobody reads it for their-group")
    assert has(
        of(checks, "finding"), "test/other: their-group lags far: 0 unread, 1 pending; it blocks trimming since 2 d"
    )


async def test_mixed_rollouts_and_unreadable_heartbeats_are_told(cli: Cli, work: OpenWork) -> None:
    now = await work.store.time_ms()
    for worker, form in (("a", 1), ("b", 2)):
        row = {"at": now, "functions": [ASK], "recordFormat": form}
        await work.store.call("HSET", work.store.keys.workers, worker, json.dumps(row))
    await work.store.call("HSET", work.store.keys.workers, "c", "{")
    _, checks = await examined(cli)
    assert has(of(checks, "warning"), "live workers write records of formats 1, 2")
    assert has(of(checks, "not known"), "c: its heartbeat can't be read")


SETTINGS = [
    ("maxmemory-policy", "allkeys-lru", "noeviction", "finding", "it may evict runs and events"),
    ("appendfsync", "no", "always", "warning", "appendfsync is no"),
    ("no-appendfsync-on-rewrite", "yes", "no", "warning", "nothing is synced while a rewrite"),
    ("appendonly", "no", "yes", "finding", "nothing is ever written to disk"),
    ("timeout", "5", "0", "warning", "timeout is 5 s"),
    ("maxmemory", "2mb", "0", "finding", "of maxmemory is in use"),
    ("maxclients", "40", "10000", "finding", "of 40 connections are taken"),
]


@pytest.mark.parametrize(("name", "value", "sound", "state", "words"), SETTINGS, ids=[row[0] for row in SETTINGS])
async def test_a_weak_setting_is_told(
    cli: Cli, one_server: Server, name: str, value: str, sound: str, state: str, words: str
) -> None:
    clients = [one_server.client() for _ in range(36 if name == "maxclients" else 1)]
    try:
        for client in clients:
            client.ping()
        clients[0].config_set(name, value)
        _, checks = await examined(cli)
    finally:
        clients[0].config_set(name, sound)
        for client in clients:
            client.close()
    assert has(of(checks, state), words)


@pytest.fixture
def limited(one_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """As a user who may read the bus, and not ask for settings."""
    with one_server.client() as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", ">pass", "~*", "&*", "+@all", "-config", "-xpending")
        monkeypatch.setenv("REDIS_URL", f"redis://reader:pass@127.0.0.1:{one_server.port}/0")
        yield one_server
        client.execute_command("ACL", "DELUSER", "reader")


async def test_what_may_not_be_read_is_not_known_and_never_well(cli: Cli, limited: Server, work: OpenWork) -> None:
    await settled(work)
    _, checks = await examined(cli)
    unknown = of(checks, "not known")
    assert has(unknown, "the setting appendfsync may not be read")
    assert has(unknown, "test/asked: it can't be read: ")
    assert has(unknown, "runs: it can't be read: ")
    assert not has(of(checks, "ok"), "will move by themselves")


async def test_a_store_that_is_away_is_not_known(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    code, checks = await examined(cli)
    assert (code, len(of(checks, "not known"))) == (2, 1)
    assert of(checks, "ok") == ["alerts: 1 owner(s) have channels"]


async def test_a_wrong_password_is_a_finding(cli: Cli, limited: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://reader:wrong@127.0.0.1:{limited.port}/0")
    code, checks = await examined(cli)
    assert (code, len(of(checks, "finding"))) == (1, 1)


async def test_a_store_whose_disk_takes_nothing_is_told_as_that(
    cli: Cli, own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_server.client() as client:
        client.config_set("save", "3600 1")
        os.mkdir(own_server.directory / "dump.rdb")  # its rename onto a directory fails
        client.bgsave()

        async def failed() -> bool:
            return bool(client.info("persistence")["rdb_last_bgsave_status"] == "err")

        await until(failed)
    monkeypatch.setenv("REDIS_URL", own_server.url)
    code, checks = await examined(cli)
    (finding,) = [c for c in checks if c["state"] == "finding"]
    assert (code, "MISCONF" in finding["what"], "disk" in finding["todo"]) == (1, True, True)
    assert "password" not in finding["todo"]


async def test_a_durability_that_the_server_cannot_give_is_a_finding(cli: Cli, one_server: Server) -> None:
    code, checks = await examined(cli, "--durability", "replica")
    assert (code, has(of(checks, "finding"), "durability replica can't be kept")) == (1, True)


async def test_nobody_to_alert_is_a_finding_and_a_broken_configuration_is_not_known(
    cli: Cli, one_server: Server, alerts_somebody: Path
) -> None:
    configure(alerts_somebody, "{}")
    assert has(of((await examined(cli))[1], "finding"), "alerts: no alert target is configured")
    configure(alerts_somebody, "{")
    assert has(of((await examined(cli))[1], "not known"), "alerts: the configuration can't be read")


async def test_examining_changes_nothing(cli: Cli, work: OpenWork) -> None:
    async def dump() -> dict[bytes, object]:
        return {key: await work.store.call("DUMP", key) for key in await work.store.call("KEYS", "*")}

    before = await dump()
    await examined(cli)
    assert await dump() == before


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((), 2),
        (("ok",), 0),
        (("ok", "warning"), 0),
        (("ok", "not known"), 2),
        (("finding", "not known"), 1),
        (("warning", "finding"), 1),
    ],
)
def test_the_exit_code_says_all_of_it_together(states: tuple[Any, ...], code: int) -> None:
    assert exit_code(Check(state, "here", "what") for state in states) == code
