"""A person between decision and act: approval that is waited for, its expiry, orders, pages that are repeated."""

from __future__ import annotations

import anyio
import pytest

from joelclaw_bus import Store
from joelclaw_contracts import Alerts, Approval, Budgets, Config
from joelclaw_healing import Ledger, State, Voice
from joelclaw_healing.acknowledge import ack_incident
from joelclaw_healing.errors import IncidentNotPaged, IncidentUnknown
from joelclaw_healing.orders import IncidentApproved, IncidentOrdered, same_person
from joelclaw_router import persons
from joelclaw_router.whatif.replay import replay
from tests.router.conftest import CONFIG, HEALING, QUICK, MakeDesk, backup, healing, sent
from tests.router.test_hook import COMPLETED, MESSAGE, OTEL, REQUESTED, ROUTE, hoped, quiet, read, routing, until, xadd

ASKING = CONFIG.model_copy(update={"approval": Approval(required=("gateway-bridge/bridge",))})
VOICE = Voice("tests")


async def rules(store: Store) -> list[str]:
    return [r["metadata"]["rule"] for r in await read(store, OTEL)]


async def asked(store: Store) -> tuple[str, str]:
    """The one incident that asks for an approval, and what it asks."""
    (incident,) = await Ledger(store).queue()
    return incident.id, incident.approval


async def test_a_retry_waits_for_a_person_and_goes_on_with_the_word_of_one(store: Store) -> None:
    async with routing(store, ASKING) as _:
        await xadd(store, REQUESTED, {**HEALING, "requestedBy": "ann"})
        (answer,) = await until(store, COMPLETED, 1)
        (page,) = await until(store, MESSAGE, 1)
        incident, approval = await asked(store)
        assert await read(store, ROUTE) == []
        said = IncidentApproved(incident_id=incident, approval=approval, actor="bob@desk", reason="looked at it")
        await xadd(store, IncidentApproved.event_name, said.to_wire())
        (route,) = await until(store, ROUTE, 1)
        await quiet(store)
    assert (answer["status"], answer["rule"], "dueAt" in answer) == ("escalated", "approval-wanted", True)
    assert "joelclaw heal approve" in page["text"]
    assert (route["attempt"], len(await read(store, ROUTE))) == (1, 1)
    shown, timeline = await Ledger(store).show(incident)
    assert shown.state is State.OPEN
    decided = [line["decision"] for line in timeline if "dice" in line]
    by = [decision["reason"] for decision in decided if decision["verdict"] == "retry"]
    assert by == ["bob@desk allows attempt 1"]
    assert all(row.same for row in replay(timeline))


async def test_who_asked_can_t_allow_it_and_the_approval_waits_on_for_another_person(store: Store) -> None:
    """A forged word ends nothing: it is refused, told each time, and the next person's word counts."""
    async with routing(store, ASKING) as _:
        await xadd(store, REQUESTED, {**HEALING, "requestedBy": "ann"})
        await until(store, MESSAGE, 1)
        incident, approval = await asked(store)
        words = [("inc-other", approval, "bob"), (incident, "other", "bob"), (incident, approval, " ")]
        for named, what, who in [*words, *[(incident, approval, "Ann@x")] * 6]:
            said = IncidentApproved(incident_id=named, approval=what, actor=who)
            await xadd(store, IncidentApproved.event_name, said.to_wire())

        async def refused() -> bool:
            return (await rules(store)).count("approval-by-requester-refused") == 7

        await hoped(refused)
        assert await read(store, ROUTE) == []
        assert await asked(store) == (incident, approval), "it waits on"
        said = IncidentApproved(incident_id=incident, approval=approval, actor="bob")
        await xadd(store, IncidentApproved.event_name, said.to_wire())
        await until(store, ROUTE, 1)
        await quiet(store)
    shown, timeline = await Ledger(store).show(incident)
    assert shown.state is State.OPEN
    assert all(row.same for row in replay(timeline))


async def test_an_approval_that_nobody_gives_is_denied_and_stays_in_the_queue(store: Store) -> None:
    config = CONFIG.model_copy(update={"approval": Approval(required=("gateway-bridge",), expiry_ms=100)})
    async with routing(store, config) as _:
        await xadd(store, REQUESTED, HEALING)

        async def over() -> bool:
            return "approval-expired" in await rules(store)

        await hoped(over)
        await quiet(store)
    assert await read(store, ROUTE) == []
    (waiting,) = await Ledger(store).queue()
    assert waiting.approval == ""
    assert sorted(await rules(store)) == ["approval-expired", "approval-wanted"]


async def test_what_is_not_configured_asks_nobody(make_desk: MakeDesk, ledger: Ledger) -> None:
    assert (await make_desk(ASKING).decide(healing(targetComponent="other")))["rule"] == "retry-within-budget"
    assert (await make_desk(CONFIG).decide(healing("b")))["rule"] == "retry-within-budget"


async def test_an_approval_is_judged_by_what_is_so_then(make_desk: MakeDesk, ledger: Ledger) -> None:
    outcome = await make_desk(ASKING).decide(healing())
    await ledger.stop(actor="joel", reason="maintenance")
    got = await persons.approve(make_desk(ASKING), outcome["incident"], outcome["approval"]["id"], "bob", "e1")
    assert got["rule"] == "kill-switch"
    again = await persons.approve(make_desk(ASKING), outcome["incident"], outcome["approval"]["id"], "bob", "e2")
    assert again["verdict"] == "nothing", "a word is heard once"


async def test_an_order_retries_what_was_given_up_and_charges_its_budgets(store: Store) -> None:
    config = CONFIG.model_copy(update={"budgets": Budgets(retries_per_day=1)})
    async with routing(store, config) as _:
        await xadd(store, REQUESTED, {**HEALING, "retryPolicy": {"maxRetries": 0}})
        await until(store, MESSAGE, 1)
        (given_up,) = await Ledger(store).queue()
        said = IncidentOrdered(incident_id=given_up.id, actor="ann@desk", reason="the disk was emptied")
        await xadd(store, IncidentOrdered.event_name, said.to_wire())
        (route,) = await until(store, ROUTE, 1)
        await xadd(store, IncidentOrdered.event_name, said.to_wire())

        async def both() -> bool:
            return "retries-per-day-spent" in await rules(store)

        await hoped(both)
        await quiet(store)
    assert (route["attempt"], len(await read(store, ROUTE))) == (1, 1)
    _, timeline = await Ledger(store).show(given_up.id)
    ordered = [line for line in timeline if line.get("ordered_by")]
    assert [(line["ordered_by"], line["decision"]["rule"]) for line in ordered] == [
        ("ann@desk", "retry-ordered-by-person"),
        ("ann@desk", "retries-per-day-spent"),
    ]
    assert all(row.same for row in replay(timeline))


async def test_an_order_skips_what_restrains_an_automaton_and_not_the_kill_switch(
    make_desk: MakeDesk, ledger: Ledger
) -> None:
    desk = make_desk()
    lost = await desk.decide(backup(error="Permission denied"))
    await ledger.stop(actor="joel", reason="maintenance")
    assert (await persons.order(desk, lost["incident"], "ann", "now", "e1"))["rule"] == "kill-switch"
    assert [i.state for i in await ledger.queue()] == [State.ESCALATED], "a refused order changes nothing"
    await ledger.start(actor="joel", reason="done")
    assert (await persons.order(desk, lost["incident"], "ann", "now", "e2"))["rule"] == "retry-ordered-by-person"
    assert (await persons.order(desk, "inc-none", "ann", "now", "e3"))["verdict"] == "nothing"


async def test_a_page_is_repeated_to_the_chain_until_somebody_acknowledges_it(
    make_desk: MakeDesk, ledger: Ledger
) -> None:
    owners = {"ann": ("tg:ann",), "ops": ("tg:ops",)}
    alerts = Alerts(owners=owners, default_owner="ops", repeat_ms=1, repeats=2)
    desk = make_desk(Config(healing_router=QUICK, alerts=alerts))
    outcome = await desk.decide(healing(retryPolicy={"maxRetries": 0}, owner="ann"))
    for _ in range(3):
        await anyio.sleep(0.02)
        found, _lines = await ledger.show(outcome["incident"])
        if found.watch:
            await desk.due(found.id, found.watch)
    assert [m["channel"] for m in await sent(ledger, MESSAGE)] == ["tg:ann", "tg:ann", "tg:ops", "tg:ann", "tg:ops"]
    found, _lines = await ledger.show(found.id)
    assert (found.repeats, found.watch) == (2, "")


async def test_a_chain_hears_one_owner_more_with_each_repeat_and_its_end_is_told(
    make_desk: MakeDesk, ledger: Ledger
) -> None:
    owners = {"ann": ("tg:ann",), "bob": ("tg:bob",), "ops": ("tg:ops",)}
    alerts = Alerts(owners=owners, default_owner="ann", chain=("bob", "ops"), repeat_ms=1, repeats=2)
    desk = make_desk(Config(healing_router=QUICK, alerts=alerts))
    outcome = await desk.decide(healing(retryPolicy={"maxRetries": 0}))
    told = ""
    while told != "page-unanswered":
        await anyio.sleep(0.02)
        found, _lines = await ledger.show(outcome["incident"])
        told = (await desk.due(found.id, found.watch))["rule"]
    assert [m["channel"] for m in await sent(ledger, MESSAGE)] == [
        *("tg:ann", "tg:ann", "tg:bob"),
        *("tg:ann", "tg:bob", "tg:ops"),
    ]
    (still,) = await ledger.queue()
    assert (still.id, still.watch, still.repeats) == (found.id, "", 2)


async def test_what_is_acknowledged_is_not_repeated(make_desk: MakeDesk, ledger: Ledger) -> None:
    desk = make_desk(Config(healing_router=QUICK, alerts=Alerts(repeat_ms=1)))
    outcome = await desk.decide(healing(retryPolicy={"maxRetries": 0}))
    watch = (await ledger.show(outcome["incident"]))[0].watch
    assert await ack_incident(ledger, outcome["incident"], actor="ann", reason="I look", voice=VOICE)
    assert not await ack_incident(ledger, outcome["incident"], actor="bob", reason="me too", voice=VOICE)
    await anyio.sleep(0.02)
    assert (await desk.due(outcome["incident"], watch))["verdict"] == "nothing"
    found, timeline = await ledger.show(outcome["incident"])
    assert (found.acked_by, timeline[-1]["what"], len(await sent(ledger, MESSAGE))) == ("ann", "acknowledged", 1)
    (proof,) = [p for p in await sent(ledger, OTEL) if p["metadata"].get("rule") == "acknowledged"]
    assert proof["metadata"]["by"] == "ann"


async def test_only_what_pages_can_be_acknowledged(make_desk: MakeDesk, ledger: Ledger) -> None:
    outcome = await make_desk().decide(healing())
    with pytest.raises(IncidentNotPaged):
        await ack_incident(ledger, outcome["incident"], actor="ann", reason="", voice=VOICE)
    with pytest.raises(IncidentUnknown):
        await ack_incident(ledger, "inc-none", actor="ann", reason="", voice=VOICE)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("ann", "ann", True), ("Ann@host", "ann", True), ("ann", "bob", False), ("", "", False), ("@h", "", False)],
)
def test_a_person_is_known_with_and_without_a_machine(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) is same


async def test_the_owner_that_is_configured_owns_and_others_watch(make_desk: MakeDesk, ledger: Ledger) -> None:
    alerts = Alerts(owners={"ops": ("tg:ops",)}, targets={"gateway-bridge/bridge": "ops"})
    desk = make_desk(Config(alerts=alerts))
    await desk.decide(healing("a", owner="ann"))
    outcome = await desk.decide(healing("b", owner="bob"))
    found, _ = await ledger.show(outcome["incident"])
    assert (found.owner, found.watchers) == ("ops", ("ann", "bob"))


async def test_what_is_critical_pages_though_only_a_note_was_asked_for(make_desk: MakeDesk, ledger: Ledger) -> None:
    quiet_one = {"retryPolicy": {"maxRetries": 0}, "fallbackAction": "manual"}
    await make_desk().decide(healing("a", **quiet_one, context={"severity": "critical"}))
    await make_desk().decide(healing("b", **quiet_one, targetComponent="other"))
    assert [m["channel"] for m in await sent(ledger, MESSAGE)] == ["default", "digest"]
