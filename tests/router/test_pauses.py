"""Pauses through the router: new acts stop, what ran finishes, and afterwards all is judged afresh, once."""

from __future__ import annotations

import json

import anyio
import pytest

from joelclaw_bus import Store
from joelclaw_contracts import Budgets, Config
from joelclaw_healing import Ledger, PauseReason
from tests.router.conftest import CONFIG, HEALING, QUICK, SLOW, MakeDesk, healing, sent
from tests.router.test_hook import COMPLETED, OTEL, REQUESTED, ROUTE, quiet, read, routing, until, xadd


async def pause(ledger: Ledger, scope: str) -> None:
    """Of an hour."""
    now = await ledger.store.time_ms()
    assert await ledger.pause(PauseReason("p1", scope, "joel", "moving the NAS", now, now + 3_600_000))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joelclaw_router.desk.CHECK_FIRST_MS", 20)
    monkeypatch.setattr("joelclaw_router.desk.CHECK_LAST_MS", 40)
    monkeypatch.setattr("joelclaw_router.judgement.PASSING_MS", 20)


async def test_a_paused_target_is_refused_with_the_reason_and_another_is_not(
    make_desk: MakeDesk, ledger: Ledger
) -> None:
    await pause(ledger, "target:gateway-bridge/bridge")
    paused = await make_desk(SLOW).decide(healing("a"))
    other = await make_desk(SLOW).decide(healing("b", targetComponent="other"))
    assert (paused["rule"], other["rule"]) == ("pause-reason", "retry-within-budget")
    answer, _ = await sent(ledger, COMPLETED)
    assert (answer["status"], "moving the NAS" in answer["reason"]) == ("blocked", True)
    assert await sent(ledger, "gateway/send.message") == []


async def test_a_configured_group_is_paused_as_one(make_desk: MakeDesk, ledger: Ledger) -> None:
    groups = {"rack": ("gateway-bridge/bridge", "webhooks")}
    desk = make_desk(Config(budgets=Budgets(groups=groups)))
    await pause(ledger, "group:rack")
    found = [await desk.decide(healing(f"{n}", domain=d)) for n, d in enumerate(("gateway-bridge", "webhooks", "mail"))]
    assert [o["rule"] for o in found] == ["pause-reason", "pause-reason", "retry-within-budget"]


async def test_after_a_pause_what_was_refused_is_judged_afresh_though_nobody_asks_again(store: Store) -> None:
    ledger = Ledger(store)
    await pause(ledger, "all")
    async with routing(store) as _:
        await xadd(store, REQUESTED, HEALING)
        (answer,) = await until(store, COMPLETED, 1)
        assert answer["rule"] == "pause-reason"
        assert await ledger.resume("p1", actor="joel")
        (route,) = await until(store, ROUTE, 1)
        await quiet(store)
    assert (route["attempt"], len(await read(store, ROUTE))) == (1, 1)


async def test_a_pause_that_ends_by_itself_frees_its_target(store: Store) -> None:
    ledger = Ledger(store)
    await pause(ledger, "all")
    async with routing(store) as _:
        await xadd(store, REQUESTED, HEALING)
        (answer,) = await until(store, COMPLETED, 1)
        now = await store.time_ms()
        ends = PauseReason("p1", "all", "joel", "moving the NAS", now, now + 100).to_json()
        await store.call("HSET", ledger.slot.key("pauses"), "p1", json.dumps(ends))
        await until(store, ROUTE, 1)
    assert answer["rule"] == "pause-reason"


async def test_what_comes_due_in_a_pause_is_kept_back_and_decided_anew_after_it(store: Store) -> None:
    ledger = Ledger(store)
    async with routing(store) as _:
        await xadd(store, REQUESTED, {**HEALING, "retryPolicy": {"sleepMinMs": 300, "sleepMaxMs": 300}})
        await until(store, COMPLETED, 1)
        await pause(ledger, "domain:gateway-bridge")

        def held(records: list[dict[str, object]]) -> int:
            return sum(r["metadata"]["rule"] == "pause-holds-due-act" for r in records)  # type: ignore[index]  # of JSON

        with anyio.fail_after(30):
            while not held(await read(store, OTEL)):  # noqa: ASYNC110 - what we wait for happens in the store
                await anyio.sleep(0.02)
        assert await read(store, ROUTE) == []
        assert await ledger.resume("p1", actor="joel")
        await until(store, ROUTE, 1)
        await quiet(store)
    rules = [r["metadata"]["rule"] for r in await read(store, OTEL)]
    assert rules.count("pause-holds-due-act") == 1
    assert rules.count("retry-within-budget") == 2
    assert len(await read(store, ROUTE)) == 1


async def test_a_retry_of_which_nothing_is_heard_is_judged_afresh_until_a_person_has_it(store: Store) -> None:
    config = CONFIG.model_copy(update={"budgets": Budgets(report_ms=30)})
    async with routing(store, config) as _:
        await xadd(store, REQUESTED, {**HEALING, "retryPolicy": {"maxRetries": 2}})
        (message,) = await until(store, "gateway/send.message", 1)
        await quiet(store)
    assert [r["attempt"] for r in await read(store, ROUTE)] == [1, 2]
    assert "retries-spent" in message["text"]
    (escalated,) = await Ledger(store).queue()
    assert (escalated.state.value, escalated.requests) == ("escalated", 1)


async def test_a_watch_of_what_moved_on_is_nobody_s(make_desk: MakeDesk, ledger: Ledger) -> None:
    desk = make_desk(Config(healing_router=QUICK))
    await pause(ledger, "all")
    first = await desk.decide(healing("a"))
    old = (await ledger.show(first["incident"]))[0].watch
    await desk.decide(healing("b"))
    await anyio.sleep(0.05)
    assert old
    assert (await desk.due(first["incident"], old))["verdict"] == "nothing"
