"""Many that fail together are one incident of their common cause, with one page; mistrusted eyes act on nothing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import anyio
import pytest

from joelclaw_bus import Store
from joelclaw_contracts import HEALTH_SLOT, Budgets, Config, HealthRound
from joelclaw_healing import STORM, Act, Kind, Ledger, Made, Move, Report, State, Storm, Stormy, Voice, close_incident
from joelclaw_healing.lifecycle import reported, scheduled
from joelclaw_healing.move import Answer
from joelclaw_router.eyes import Eyes, blindness
from joelclaw_router.storms import members_of, open_storm
from tests.router.conftest import CONFIG, HEALING, QUICK, SLOW, MakeDesk, healing, sent
from tests.router.test_hook import COMPLETED, MESSAGE, OTEL, REQUESTED, ROUTE, hoped, quiet, read, routing, until, xadd

NAS = Config(healing_router=QUICK, budgets=Budgets(groups={"nas": ("backup", "mounts")}, storm_cool_down_ms=400))
TARGETS = 20


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joelclaw_router.desk.CHECK_FIRST_MS", 20)
    monkeypatch.setattr("joelclaw_router.desk.CHECK_LAST_MS", 40)
    monkeypatch.setattr("joelclaw_router.judgement.PASSING_MS", 20)
    monkeypatch.setattr("joelclaw_router.storms.LOOK_MS", 50)


def failing(n: int, **changes: Any) -> dict[str, Any]:
    """One of twenty things that need the NAS."""
    domain = "backup" if n % 2 else "mounts"
    slow = {"retryPolicy": {"sleepMinMs": 60_000, "sleepMaxMs": 60_000}}
    return {**HEALING, **slow, "domain": domain, "targetComponent": f"t{n}", **changes}


async def test_twenty_targets_on_one_dead_nas_are_one_incident_and_one_page(store: Store) -> None:
    ledger = Ledger(store)
    config = NAS.model_copy(update={"budgets": NAS.budgets.model_copy(update={"storm_cool_down_ms": 600_000})})
    async with routing(store, config) as _:
        for n in range(TARGETS):
            await xadd(store, REQUESTED, failing(n))
        answers = await until(store, COMPLETED, TARGETS)
        await until(store, MESSAGE, 1)
        await xadd(store, REQUESTED, failing(0, targetComponent="late", deadlineAt="2020-01-01T00:00:00Z"))
        await until(store, COMPLETED, TARGETS + 1)
    (page,) = await read(store, MESSAGE)
    assert "targets of nas fail together" in page["text"]
    assert await read(store, ROUTE) == []
    rules = Counter(a["rule"] for a in answers)
    assert TARGETS - rules["storm-of-its-group"] < 5, "the first few could not know"
    assert set(rules) <= {"retry-within-budget", "hold-unknown-failure", "storm-of-its-group"}
    (storm,) = [i for i in await ledger.list_incidents() if i.domain == STORM]
    assert (storm.target, storm.state) == ("nas", State.ESCALATED)


async def test_a_storm_is_over_when_it_has_passed_and_every_member_was_seen_well(store: Store) -> None:
    ledger, voice = Ledger(store), Voice("tests")
    async with routing(store, NAS) as _:
        for n in range(6):
            await xadd(store, REQUESTED, failing(n))
        await until(store, MESSAGE, 1)
        await until(store, COMPLETED, 6)

        async def judged_afresh() -> bool:
            open_ones = [i for i in await ledger.list_incidents() if i.domain != STORM]
            return len(open_ones) == 6 and all(i.act is not None and not i.act.held for i in open_ones)

        await hoped(judged_afresh)
        for incident in [i for i in await ledger.list_incidents() if i.domain != STORM]:
            await close_incident(ledger, incident.id, by="probe", detail="well", voice=voice)

        async def none_is_open() -> bool:
            return not await ledger.list_incidents()

        await hoped(none_is_open)
        messages = await until(store, MESSAGE, 2)
    assert [m["text"].partition(":")[0] for m in messages] == ["A person is needed", "Resolved"]


async def test_a_member_that_needs_a_person_during_the_storm_goes_into_the_digest(
    make_desk: MakeDesk, ledger: Ledger
) -> None:
    desk = make_desk(SLOW)
    for n in range(5):
        await desk.decide(healing(f"e{n}", targetComponent=f"t{n}"))
    await open_storm(desk, "gateway-bridge", "e")
    assert len(await members_of(desk, "gateway-bridge")) == 5
    look = await ledger.look("gateway-bridge", "t0")
    assert look.incident is not None
    late = replace(look.incident, deadline_ms=1)
    await ledger.make(look, Move("deadline", {}, {}, look.incident, late))
    assert (await desk.deadline(late.id, 1))["rule"] == "deadline-timer"
    channels = [m["channel"] for m in await sent(ledger, MESSAGE)]
    assert channels == ["default", "digest"]


async def test_word_of_a_storm_that_the_ledger_does_not_show_opens_nothing_and_pages_nobody(
    make_desk: MakeDesk, ledger: Ledger
) -> None:
    desk = make_desk(SLOW)
    for n in range(4):
        await desk.decide(healing(f"e{n}", targetComponent=f"t{n}"))
    for group in ("gateway-bridge", "newgrp"):
        told = await open_storm(desk, group, "forged")
        assert (told["rule"], told["act"]) == ("storm-without-failures", None)
        assert await open_storm(desk, group, "forged") == told, "told once"
    assert [i.target for i in await ledger.list_incidents() if i.domain == STORM] == []
    assert await sent(ledger, MESSAGE) == []
    proofs = [e["metadata"] for e in await sent(ledger, OTEL) if e["metadata"]["rule"] == "storm-without-failures"]
    assert ["4 of its targets" in proofs[0]["reason"], "0 of its targets" in proofs[1]["reason"]] == [True, True]
    assert len(proofs) == 2
    await desk.decide(healing("e4", targetComponent="t4"))
    assert (await open_storm(desk, "gateway-bridge", "true"))["rule"] == "storm-opened"


async def test_racers_can_t_all_be_the_fourth(make_desk: MakeDesk, ledger: Ledger) -> None:
    desk = make_desk(SLOW)
    rules: list[str] = []

    async def one(n: int) -> None:
        rules.append((await desk.decide(healing(f"e{n}", targetComponent=f"t{n}")))["rule"])

    async with anyio.create_task_group() as group:
        for n in range(12):
            group.start_soon(one, n)
    assert Counter(rules) == {"retry-within-budget": 4, "storm-of-its-group": 8}


@pytest.mark.parametrize("what", ["count", "raging", "neither", "ordered"])
async def test_the_script_itself_bars_an_act_in_a_storm(make_desk: MakeDesk, ledger: Ledger, what: str) -> None:
    look = await ledger.look("gateway-bridge", "late")
    for n in range(4 if what == "count" else 5 if what in ("raging", "ordered") else 3):
        await make_desk(SLOW).decide(healing(f"e{n}", targetComponent=f"t{n}"))
    opened = reported(None, Report("r", "gateway-bridge", "late", 1), look.now)
    after = scheduled(opened, Act("d", Kind.PAUSE, 1))
    storm = None if what == "ordered" else Storm(5 if what != "raging" else 0, 900_000)
    made: Answer = await ledger.make(look, Move("m", {}, {}, None, after, acts=True, storm=storm))
    assert isinstance(made, Made if what in ("neither", "ordered") else Stormy)


async def test_three_storms_at_once_are_blindness(make_desk: MakeDesk, ledger: Ledger) -> None:
    desk = make_desk(SLOW)
    for domain in ("a", "b", "c"):
        for n in range(5):
            await desk.decide(healing(f"{domain}{n}", domain=domain, targetComponent=f"t{n}"))
    assert (await desk.decide(healing("x", domain="quite-another")))["rule"] == "probe-blindness"


@pytest.mark.parametrize(("blind", "age", "says"), [(True, 1_000, True), (True, 61_000, False), (False, 1, False)])
def test_health_is_believed_about_itself_while_its_word_is_fresh(blind: bool, age: int, says: bool) -> None:
    assert bool(blindness(round_of(1_000_000 - age, blind), 1_000_000)) is says


def round_of(at_ms: int, blind: bool) -> HealthRound:
    return HealthRound(at_ms=at_ms, run="r", cadence_ms=30_000, blind=blind, coverage=(), findings=())


async def test_what_health_mistrusts_nobody_acts_on(store: Store) -> None:
    now = await store.time_ms()
    key = store.keys.slot(HEALTH_SLOT).key("round")
    assert await Eyes(store)(now) == ""
    await store.call("SET", key, json.dumps(round_of(now, True).to_wire()))
    assert "mistrusts" in await Eyes(store)(now)
    await store.call("SET", key, "of another version")
    assert await Eyes(store)(now) == ""
    await store.call("SET", key, json.dumps(round_of(now, True).to_wire()))
    async with routing(store, CONFIG) as _:
        await xadd(store, REQUESTED, HEALING)
        (answer,) = await until(store, COMPLETED, 1)
        assert (answer["rule"], answer["status"]) == ("probe-blindness", "blocked")
        await store.call("SET", key, json.dumps(round_of(now, False).to_wire()))
        await until(store, ROUTE, 1)
        await quiet(store)
