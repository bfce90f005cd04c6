"""Through the real hook: an XADD by a bare client, a worker, and what stands on the streams afterwards."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from joelclaw_backup.incidents import note_proven
from joelclaw_bus import Store, StoreUnavailable, WorkerSettings
from joelclaw_bus.observer import EventBuried
from joelclaw_contracts import Config
from joelclaw_healing import Ledger, Voice, close_incident
from joelclaw_router.desk import Desk
from joelclaw_router.replies import iso
from joelclaw_router.rulebook import Rulebook
from joelclaw_router.service import worker_of
from tests.router.conftest import BACKUP, CONFIG, HEALING, SLOW
from tests.support.seen import Seen

REQUESTED = "system/self.healing.requested"
COMPLETED = "system/self.healing.completed"
DETECTED = "system/backup.failure.detected"
RETRY = "system/backup.retry.requested"
ROUTE = "system/health.check.requested"
MESSAGE = "gateway/send.message"
OTEL = "otel/event"
QUICK = WorkerSettings(lease_ms=2_000, block=0.5, fallback_ms=200, chores=0.5)


@asynccontextmanager
async def routing(store: Store, config: Config = CONFIG) -> AsyncIterator[Seen]:
    """The router at work, stopped at the end of the block."""
    seen, stop = Seen(), anyio.Event()
    worker = worker_of(
        store, Rulebook(config), Voice("router", "test", "s1"), settings=QUICK, observer=seen, dice=lambda: 0.5
    )
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            await worker.run(stop=stop, grace=5)

        tasks.start_soon(run)
        try:
            yield seen
        finally:
            stop.set()


async def xadd(store: Store, event: str, payload: dict[str, Any] | str) -> str:
    data = payload if isinstance(payload, str) else json.dumps(payload)
    entry: bytes = await store.call("XADD", event, "*", "data", data)
    return entry.decode()


async def read(store: Store, stream: str) -> list[dict[str, Any]]:
    """Every payload on a stream, from the beginning to the end."""
    rows = await store.call("XRANGE", stream, "-", "+")
    return [json.loads(dict(zip(fields[::2], fields[1::2], strict=True))[b"data"]) for _, fields in rows]


async def until(store: Store, stream: str, count: int) -> list[dict[str, Any]]:
    """Waits for that many payloads. The deadline only bounds a broken test."""
    got: list[dict[str, Any]] = []

    async def enough() -> bool:
        got[:] = await read(store, stream)
        return len(got) >= count

    await hoped(enough)
    return got


async def hoped(condition: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(30):
        while not await condition():  # noqa: ASYNC110 - what we wait for happens in the store
            await anyio.sleep(0.01)


async def quiet(store: Store) -> None:
    """Waits until no letter is on its way and no run is open on the router's streams."""
    slots = [store.keys.slot(name) for name in (REQUESTED, DETECTED, "healing/incidents", "healing/incident.due")]

    async def nothing_left() -> bool:
        return not any(await store.calls([("ZCARD", key) for slot in slots for key in (slot.outbox, slot.open)]))

    await hoped(nothing_left)


async def test_one_xadd_becomes_one_answer_and_one_routed_retry(store: Store) -> None:
    async with routing(store) as _:
        entry = await xadd(store, REQUESTED, HEALING)
        (route,) = await until(store, ROUTE, 1)
        await quiet(store)
    (answer,) = await read(store, COMPLETED)
    assert (answer["status"], answer["eventId"], answer["rule"]) == ("scheduled", entry, "retry-within-budget")
    assert len(await read(store, ROUTE)) == 1
    assert (route["attempt"], route["incidentId"]) == (1, answer["incidentId"])
    rules = [record["metadata"]["rule"] for record in await read(store, OTEL)]
    assert sorted(rules) == ["handed-over", "retry-within-budget"]


async def test_the_attempt_counts_up_to_exhausted_though_every_payload_says_zero(store: Store) -> None:
    async with routing(store) as _:
        for n in range(1, 6):
            await xadd(store, DETECTED, BACKUP)
            await until(store, RETRY, n)
        await xadd(store, DETECTED, BACKUP)
        answers = await until(store, COMPLETED, 6)
        await xadd(store, DETECTED, BACKUP)
        await until(store, COMPLETED, 7)
        await quiet(store)
    assert [a["status"] for a in answers] == ["scheduled"] * 5 + ["exhausted"]
    assert [r["attempt"] for r in await read(store, RETRY)] == [1, 2, 3, 4, 5]
    assert len(await read(store, MESSAGE)) == 1
    assert [i.attempt for i in await Ledger(store).queue()] == [5]


async def test_health_that_sends_attempt_zero_all_the_while_wins_no_fresh_budget(store: Store) -> None:
    """Each time with another error; what it sends while a retry waits joins, and at the end it is absorbed."""
    slow = {**HEALING, "retryPolicy": {"maxRetries": 3, "sleepMinMs": 400, "sleepMaxMs": 400, "sleepStepMs": 1}}
    requests = 0
    async with routing(store) as _:
        for n in range(1, 5):
            for again in range(4):
                await xadd(store, REQUESTED, {**slow, "attempt": 0, "problemSummary": f"error {n}.{again}"})
                requests += 1
            if n < 4:
                await until(store, ROUTE, n)
        answers = await until(store, COMPLETED, requests)
        await quiet(store)
    assert [r["attempt"] for r in await read(store, ROUTE)] == [1, 2, 3]
    assert [a["status"] for a in answers].count("exhausted") == 1
    assert {a["incidentId"] for a in answers} == {answers[0]["incidentId"]}
    assert len(await read(store, MESSAGE)) == 1
    (waiting,) = await Ledger(store).queue()
    assert (waiting.attempt, waiting.requests) == (3, requests)


async def test_the_same_request_again_joins(store: Store) -> None:
    async with routing(store, SLOW) as _:
        for n in range(1, 4):
            await xadd(store, REQUESTED, HEALING)
            await until(store, COMPLETED, n)
    first, *joined = await read(store, COMPLETED)
    assert [(a["status"], a["reason"]) for a in joined] == [("noop", "joined")] * 2
    assert {a["dueAt"] for a in joined} == {first["dueAt"]}


async def test_without_a_route_it_is_blocked_and_somebody_hears(store: Store) -> None:
    async with routing(store) as _:
        await xadd(store, REQUESTED, {**HEALING, "targetEventName": None})
        (answer,) = await until(store, COMPLETED, 1)
        (message,) = await until(store, MESSAGE, 1)
    assert (answer["status"], answer["rule"]) == ("blocked", "route-missing")
    assert "gateway-bridge/bridge" in message["text"]


async def test_an_unreadable_request_is_buried_and_answered_invalid_and_stops_nobody(store: Store) -> None:
    bad = {**HEALING, "targetComponent": 7}
    async with routing(store) as seen:
        entry = await xadd(store, REQUESTED, bad)
        await seen.wait(EventBuried)
        await xadd(store, REQUESTED, HEALING)
        answers = await until(store, COMPLETED, 2)
    assert [(a["status"], a["eventId"] == entry) for a in answers] == [("invalid", True), ("scheduled", False)]
    assert "targetComponent" in answers[0]["reason"]


async def test_what_others_own_is_left_to_them(store: Store) -> None:
    async with routing(store) as _:
        await xadd(store, REQUESTED, {**HEALING, "domain": "inngest-runtime"})
        await xadd(store, REQUESTED, {**HEALING, "domain": "sdk-reachability"})
        await xadd(store, REQUESTED, {**HEALING, "domain": "all"})
        await until(store, COMPLETED, 1)
        await quiet(store)
    assert [a["domain"] for a in await read(store, COMPLETED)] == ["all"]


async def test_a_stop_holds_what_is_due_and_a_start_lets_it_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joelclaw_router.desk.CHECK_FIRST_MS", 20)
    monkeypatch.setattr("joelclaw_router.desk.CHECK_LAST_MS", 40)
    monkeypatch.setattr("joelclaw_router.functions.CHECKS", 3)  # so that a fresh run goes on, too
    slow = {**HEALING, "retryPolicy": {"sleepMinMs": 200, "sleepMaxMs": 200}}
    ledger = Ledger(store)
    async with routing(store) as _:
        await xadd(store, REQUESTED, slow)
        await until(store, COMPLETED, 1)
        await ledger.stop(actor="joel", reason="maintenance")
        await until(store, "healing/incident.due", 2)
        assert await read(store, ROUTE) == []
        await xadd(store, REQUESTED, {**HEALING, "targetComponent": "another"})
        _, blocked = await until(store, COMPLETED, 2)
        assert (blocked["status"], blocked["rule"]) == ("blocked", "kill-switch")
        await ledger.start(actor="joel", reason="done")
        await until(store, ROUTE, 1)
        await quiet(store)
    assert len(await read(store, ROUTE)) == 1
    rules = [record["metadata"]["rule"] for record in await read(store, OTEL)]
    assert rules.count("kill-switch-holds-due-act") == 1


async def test_a_deadline_calls_a_person_though_nobody_reports(store: Store) -> None:
    soon = await store.time_ms() + 400
    async with routing(store) as _:
        await xadd(store, REQUESTED, {**HEALING, "deadlineAt": iso(soon)})
        (message,) = await until(store, MESSAGE, 1)
    assert "A person is needed" in message["text"]
    assert [i.state for i in await Ledger(store).queue()] == ["escalated"]


async def test_a_timer_that_comes_early_waits_for_its_deadline(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, looked = Desk.deadline, []

    async def deadline(desk: Desk, incident: str, deadline_ms: int) -> Any:
        looked.append(await store.time_ms() - deadline_ms)
        return await plain(desk, incident, deadline_ms)

    monkeypatch.setattr(Desk, "deadline", deadline)

    async def both_looked() -> bool:
        return len(looked) == 2

    soon = await store.time_ms() + 4_000
    async with routing(store) as _:
        await xadd(store, REQUESTED, {**HEALING, "deadlineAt": iso(soon), "retryPolicy": {"maxRetries": 0}})
        (answer,) = await until(store, COMPLETED, 1)
        await xadd(store, "healing/incident.due", {"incidentId": answer["incidentId"], "deadlineMs": soon})
        await hoped(both_looked)
    assert min(looked) >= 0


async def test_a_foreign_observer_closes_with_one_event(store: Store) -> None:
    async with routing(store, SLOW) as _:
        await xadd(store, REQUESTED, HEALING)
        (answer,) = await until(store, COMPLETED, 1)
        closing = {"domain": "gateway-bridge", "status": "remediated", "detected": 1, "inspected": 1}
        named = {**closing, "incidentId": answer["incidentId"], "sourceFunction": "x/probe"}
        target = {"targetComponent": HEALING["targetComponent"]}
        await xadd(store, COMPLETED, {**named, **target, "eventId": "1-0"})  # what names a request is no closing
        for forged in ({}, {"targetComponent": "another"}, {**target, "domain": "other"}):
            await xadd(store, COMPLETED, {**named, **forged})

        async def all_judged() -> bool:
            return bool(await store.call("ZCARD", store.keys.slot(COMPLETED).ended) == 3)

        await hoped(all_judged)
        assert await Ledger(store).list_incidents(), "an incident's id alone proves nothing"
        await xadd(store, COMPLETED, {**named, **target})

        async def told_closed() -> bool:
            told[:] = [e for e in await read(store, OTEL) if e["action"] == "system.self-healing.incident.closed"]
            return bool(told)

        told: list[dict[str, Any]] = []
        await hoped(told_closed)
    assert len(await read(store, COMPLETED)) == 6, "none but the answer is ours: its event was the closing"
    (over,) = await Ledger(store).list_incidents(closed=True)
    assert over.closed_by.startswith("an event that names itself x/probe (event ")
    (closing_told,) = told
    assert closing_told["component"] == "system/self-healing.closer", "who acted; who says that he saw it stands beside"
    assert closing_told["metadata"]["by"] == over.closed_by


async def test_what_waits_goes_on_in_another_worker(store: Store) -> None:
    slow = {**HEALING, "retryPolicy": {"sleepMinMs": 300, "sleepMaxMs": 300}}
    async with routing(store) as _:
        await xadd(store, REQUESTED, slow)
        await until(store, COMPLETED, 1)
    assert await read(store, ROUTE) == []
    async with routing(store) as _:
        await until(store, ROUTE, 1)
        await quiet(store)
    assert (len(await read(store, ROUTE)), len(await read(store, COMPLETED))) == (1, 1)


Step = Callable[..., Awaitable[Any]]


@pytest.mark.parametrize("method", ["decide", "due"])
async def test_a_crash_after_any_effect_and_before_its_record_repeats_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The move is made, the journal is not written: the step runs again and must say the same."""
    plain: Step = getattr(Desk, method)
    crashed = []

    async def crash_once(desk: Desk, *args: Any) -> Any:
        outcome = await plain(desk, *args)
        if not crashed and outcome["verdict"] != "waits":
            crashed.append(outcome)
            raise StoreUnavailable("test", "lost after the effect")
        return outcome

    monkeypatch.setattr(Desk, method, crash_once)
    async with routing(store) as _:
        await xadd(store, REQUESTED, HEALING)
        await until(store, ROUTE, 1)
        await quiet(store)
    assert len(crashed) == 1
    assert (len(await read(store, ROUTE)), len(await read(store, COMPLETED))) == (1, 1)
    assert [i.attempt for i in await Ledger(store).list_incidents()] == [1]


async def test_a_resolved_incident_is_not_retried(store: Store) -> None:
    slow = {**HEALING, "retryPolicy": {"sleepMinMs": 300, "sleepMaxMs": 300}}
    async with routing(store) as _:
        await xadd(store, REQUESTED, slow)
        (answer,) = await until(store, COMPLETED, 1)
        await close_incident(
            Ledger(store), answer["incidentId"], by="probe", detail="well", voice=Voice("tests", "t", "s")
        )
        await quiet(store)
    assert await read(store, ROUTE) == []


async def test_nobodys_word_ends_a_backups_incident_without_a_set_proven_since_it_opened(store: Store) -> None:
    ledger, backups = Ledger(store), "system/backup.redis"
    await note_proven(store, "redis", "before-it-failed")
    async with routing(store, SLOW) as _:
        await xadd(store, DETECTED, BACKUP)
        (answer,) = await until(store, COMPLETED, 1)
        id = answer["incidentId"]
        word = {"domain": "backup", "status": "remediated", "detected": 1, "inspected": 1, "incidentId": id}
        word |= {"targetComponent": "redis", "sourceFunction": backups}

        async def told(action: str, rule: str = "") -> list[Any]:
            found = [e["metadata"] for e in await read(store, OTEL) if e["action"] == action]
            return [m for m in found if m.get("rule", "") == rule]

        async def unproven() -> bool:
            return bool(await told("system.self-healing.router", "closing-without-proof"))

        async def closed() -> bool:
            return bool(await told("system.self-healing.incident.closed"))

        await note_proven(store, "typesense", "of-another-target")
        await xadd(store, COMPLETED, word)
        await hoped(unproven)
        assert [i.id for i in await ledger.list_incidents()] == [id]
        (refused,) = await told("system.self-healing.router", "closing-without-proof")
        assert f"an event that names itself {backups}" in refused["reason"]
        assert await note_proven(store, "redis", "set-9") == {"id": id, "reopened": 0, "attempt": 0}
        await xadd(store, COMPLETED, word)
        await hoped(closed)
        (over,) = await ledger.list_incidents(closed=True)
        assert over.closed_by.startswith(f"an event that names itself {backups} (event ")
        assert over.closed_by.endswith("and by the proof of set set-9")

        await xadd(store, DETECTED, BACKUP)  # the same incident, reopened: what was proven before proves nothing now
        await until(store, COMPLETED, 4)
        await xadd(store, COMPLETED, word)

        async def refused_again() -> bool:
            return len(await told("system.self-healing.router", "closing-without-proof")) == 2

        await hoped(refused_again)
        assert [i.id for i in await ledger.list_incidents()] == [id]


async def test_no_secret_of_a_request_leaves_in_a_page_an_answer_an_incident_or_a_timeline(store: Store) -> None:
    secrets = ("Tr0ub4dor", "abcdef123456", "KEY123SECRET", "AKIAIOSFODNN7EXAMPLE", "16C7e42F292c6912E7710c", "hunter2")
    told = (
        "login failed: postgres://app:Tr0ub4dor@db/x Authorization: Bearer abcdef123456 api_key=KEY123SECRET "
        "AKIAIOSFODNN7EXAMPLE ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    )
    request = {
        **HEALING,
        "problemSummary": told,
        "reason": told,
        "retryPolicy": {"maxRetries": 0},
        "context": {"password": "hunter2", "nested": {"token": "hunter2"}},
        "evidence": ["password: hunter2", {"type": "password", "detail": "hunter2"}],
        "playbook": {"links": ["https://ops:hunter2@wiki/x"]},
    }
    async with routing(store) as _:
        await xadd(store, REQUESTED, request)
        (page,) = await until(store, MESSAGE, 1)
        (answer,) = await until(store, COMPLETED, 1)
        await quiet(store)
        (incident,) = await Ledger(store).queue()
        _, timeline = await Ledger(store).show(incident.id)
        left = [str(what) for what in (page, answer, incident.problem, timeline, await read(store, OTEL))]
    assert [(n, s) for n, what in enumerate(left) for s in secrets if s in what] == []
    assert "postgres://app:***@db/x" in page["text"], "what is no secret is told"
    assert answer["context"] == {"password": "***", "nested": {"token": "***"}}
    assert "hunter2" in incident.request, "a retry needs it"
