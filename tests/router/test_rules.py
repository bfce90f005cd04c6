"""Every named rule, produced once on a real store, leaves exactly one evidence event. A rule without a story fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import pytest

from joelclaw_contracts import Alerts, Approval, Budgets, Config
from joelclaw_healing import Ledger, PauseReason, Voice, close_incident
from joelclaw_router import persons
from joelclaw_router.advice.adviser import MODEL_ADVISED, Consulted
from joelclaw_router.desk import Desk, Outcome
from joelclaw_router.failure import Advice
from joelclaw_router.observers import observed_end
from joelclaw_router.replies import iso
from joelclaw_router.rules import Rule
from joelclaw_router.storms import open_storm
from tests.router.conftest import CONFIG, SLOW, MakeDesk, backup, healing, seen_to, sent

Story = Callable[[MakeDesk, Ledger], Awaitable[object]]
STORIES: dict[Rule, Story] = {}


async def mistrusted(now: int) -> str:
    return "every probe fails at once"


async def reason(ledger: Ledger, scope: str) -> PauseReason:
    """A pause of an hour."""
    now = await ledger.store.time_ms()
    return PauseReason("p1", scope, "joel", "moving the NAS", now, now + 3_600_000)


def tells(rule: Rule) -> Callable[[Story], Story]:
    def register(story: Story) -> Story:
        STORIES[rule] = story
        return story

    return register


@tells(Rule.TARGET_SET)
async def target_set(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(healing(targetComponent="*"))


@tells(Rule.JOINED)
async def joined(make: MakeDesk, ledger: Ledger) -> object:
    await make(SLOW).decide(healing("a"))
    return await make(SLOW).decide(healing("b"))


@tells(Rule.ABSORBED)
async def absorbed(make: MakeDesk, ledger: Ledger) -> object:
    await make().decide(backup("a", failureClass="permanent"))
    return await make().decide(backup("b"))


@tells(Rule.KILL_SWITCH)
async def kill_switch(make: MakeDesk, ledger: Ledger) -> object:
    await ledger.stop(actor="a", reason="b")
    return await make().decide(healing())


@tells(Rule.PERMANENT)
async def permanent(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(backup(error="No space left on device"))


@tells(Rule.DEFERRED_STUCK)
async def deferred_stuck(make: MakeDesk, ledger: Ledger) -> object:
    return await seen_to(make(), await make().decide(backup(failureClass="deferred")))


@tells(Rule.RETRIES_FORBIDDEN)
async def retries_forbidden(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(healing(retryPolicy={"maxRetries": 0}))


@tells(Rule.DEADLINE_PAST)
async def deadline_past(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(healing(deadlineAt="2020-01-01T00:00:00+02:00"))


@tells(Rule.WINDOW_PAST)
async def window_past(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(backup(backupFailureDetectedAt="2020-01-01T00:00:00Z"))


@tells(Rule.ROUTE_MISSING)
async def route_missing(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(healing(targetEventName=None))


@tells(Rule.ROUTE_NOT_ALLOWED)
async def route_not_allowed(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(healing(targetEventName="gateway/send.message"))


@tells(Rule.ROUTE_PAYLOAD)
async def route_payload(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(healing(targetEventName="system/backup.retry.requested"))


@tells(Rule.DUE_PAST_DEADLINE)
async def due_past_deadline(make: MakeDesk, ledger: Ledger) -> object:
    return await make(SLOW).decide(healing(deadlineAt=iso(await ledger.store.time_ms() + 60_000)))


@tells(Rule.DUE_PAST_WINDOW)
async def due_past_window(make: MakeDesk, ledger: Ledger) -> object:
    return await make(SLOW).decide(backup(retryWindowHours=0.01))


@tells(Rule.RETRIES_SPENT)
async def retries_spent(make: MakeDesk, ledger: Ledger) -> object:
    await seen_to(make(), await make().decide(healing("a", retryPolicy={"maxRetries": 1})))
    return await make().decide(healing("b", retryPolicy={"maxRetries": 1}))


@tells(Rule.RETRIES_PER_DAY)
async def retries_per_day(make: MakeDesk, ledger: Ledger) -> object:
    desk = make(CONFIG.model_copy(update={"budgets": Budgets(retries_per_day=0)}))
    return await desk.decide(healing())


@tells(Rule.HOLD_DEFERRED)
async def hold_deferred(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(backup(failureClass="deferred"))


@tells(Rule.HOLD_ASKED)
async def hold_asked(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(healing(playbook={"defer": ["a deploy runs"]}))


@tells(Rule.HOLD_UNKNOWN)
async def hold_unknown(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(backup(error="gremlins"))


@tells(Rule.RETRY)
async def retry(make: MakeDesk, ledger: Ledger) -> object:
    return await make().decide(healing())


def advised(action: str) -> Story:
    """A model says so, and is followed."""

    async def story(make: MakeDesk, ledger: Ledger) -> object:
        advice = Advice(action, 5, 0.9, "seen before", "o3")
        return await make().decide(healing(), Consulted(MODEL_ADVISED, "retry", advice, (), 1).to_json())

    return story


tells(Rule.HOLD_ADVISED)(advised("pause"))
tells(Rule.ESCALATE_ADVISED)(advised("escalate"))


@tells(Rule.PAUSED)
async def paused(make: MakeDesk, ledger: Ledger) -> object:
    await ledger.pause(await reason(ledger, "domain:gateway-bridge"))
    return await make().decide(healing())


@tells(Rule.BLIND)
async def blind(make: MakeDesk, ledger: Ledger) -> object:
    return await replace(make(), eyes=mistrusted).decide(healing())


async def storm_of(desk: Desk, ledger: Ledger) -> object:
    """The last target that makes its group's failures a storm."""
    for n in range(5):
        last = await desk.decide(healing(f"e{n}", targetComponent=f"t{n}"))
    return last


@tells(Rule.STORM)
async def storm(make: MakeDesk, ledger: Ledger) -> object:
    return await storm_of(make(SLOW), ledger)


@tells(Rule.STORM_OPENED)
async def storm_opened(make: MakeDesk, ledger: Ledger) -> object:
    await storm_of(make(SLOW), ledger)
    return await open_storm(make(SLOW), "gateway-bridge", "e1")


@tells(Rule.STORM_UNFOUNDED)
async def storm_unfounded(make: MakeDesk, ledger: Ledger) -> object:
    return await open_storm(make(SLOW), "gateway-bridge", "forged")


@tells(Rule.CLOSING_UNPROVEN)
async def closing_unproven(make: MakeDesk, ledger: Ledger) -> object:
    desk = make(SLOW)
    incident = (await desk.decide(backup("a")))["incident"]
    return await observed_end(desk, incident, "backup", "redis", "system/backup.redis", "1-1", "well")


@tells(Rule.FLAPPING)
async def flapping(make: MakeDesk, ledger: Ledger) -> object:
    for n in range(3):
        outcome = await make(SLOW).decide(healing(f"e{n}"))
        if n < 2:
            await close_incident(ledger, outcome["incident"], by="probe", detail="well", voice=Voice("tests"))
    return outcome


def asking(**changes: object) -> Config:
    """A configuration in which a person must allow every retry of the bridge."""
    approval = Approval(required=("gateway-bridge",))
    return SLOW.model_copy(update={"approval": approval, **changes})


@tells(Rule.APPROVAL)
async def approval(make: MakeDesk, ledger: Ledger) -> Outcome:
    return await make(asking()).decide(healing(requestedBy="ann"))


@tells(Rule.APPROVED)
async def approved(make: MakeDesk, ledger: Ledger) -> object:
    asked = await approval(make, ledger)
    return await persons.approve(make(asking()), asked["incident"], asked["approval"]["id"], "bob@desk", "e9")


@tells(Rule.SELF_APPROVAL)
async def self_approval(make: MakeDesk, ledger: Ledger) -> object:
    asked = await approval(make, ledger)
    return await persons.approve(make(asking()), asked["incident"], asked["approval"]["id"], "Ann@desk", "e9")


@tells(Rule.APPROVAL_OVER)
async def approval_over(make: MakeDesk, ledger: Ledger) -> object:
    asked = await approval(make, ledger)
    return await persons.deny(make(asking()), asked["incident"], asked["approval"]["id"])


@tells(Rule.ORDERED)
async def order_obeyed(make: MakeDesk, ledger: Ledger) -> object:
    lost = await make().decide(backup(error="No space left on device"))
    return await persons.order(make(), lost["incident"], "ann", "the disk was emptied", "e9")


@tells(Rule.RETRIES_OF_ALL)
async def retries_of_all(make: MakeDesk, ledger: Ledger) -> object:
    desk = make(CONFIG.model_copy(update={"budgets": Budgets(all_retries_per_hour=1)}))
    await desk.decide(healing("a", targetComponent="t1"))
    return await desk.decide(healing("b", targetComponent="t2"))


@tells(Rule.PAUSE_HOLDS)
async def pause_holds(make: MakeDesk, ledger: Ledger) -> object:
    outcome = await make().decide(healing())
    await ledger.pause(await reason(ledger, "target:gateway-bridge/bridge"))
    await anyio.sleep(0.05)
    return await make().due(outcome["incident"], outcome["act"]["decision"])


@tells(Rule.BLIND_HOLDS)
async def blindness_holds(make: MakeDesk, ledger: Ledger) -> object:
    outcome = await make().decide(healing())
    await anyio.sleep(0.05)
    return await replace(make(), eyes=mistrusted).due(outcome["incident"], outcome["act"]["decision"])


@tells(Rule.STORM_HOLDS)
async def storm_holds(make: MakeDesk, ledger: Ledger) -> object:
    outcome = await make().decide(healing("first"))
    await storm_of(make(), ledger)
    await anyio.sleep(0.05)
    return await make().due(outcome["incident"], outcome["act"]["decision"])


@tells(Rule.PAGED_AGAIN)
async def paged_again(make: MakeDesk, ledger: Ledger) -> object:
    desk = make(CONFIG.model_copy(update={"alerts": Alerts(repeat_ms=1)}))
    outcome = await desk.decide(backup(error="No space left on device"))
    found, _ = await ledger.show(outcome["incident"])
    await anyio.sleep(0.05)
    return await desk.due(found.id, found.watch)


@tells(Rule.UNANSWERED)
async def unanswered(make: MakeDesk, ledger: Ledger) -> object:
    desk = make(CONFIG.model_copy(update={"alerts": Alerts(repeat_ms=1, repeats=1)}))
    outcome = await desk.decide(backup(error="No space left on device"))
    for _ in range(2):
        found, _lines = await ledger.show(outcome["incident"])
        await anyio.sleep(0.05)
        last = await desk.due(found.id, found.watch)
    return last


@tells(Rule.HANDED_OVER)
async def handed_over(make: MakeDesk, ledger: Ledger) -> object:
    return await seen_to(make(), await make().decide(healing()))


@tells(Rule.SWITCH_HOLDS)
async def switch_holds(make: MakeDesk, ledger: Ledger) -> object:
    outcome = await make().decide(healing())
    await ledger.stop(actor="a", reason="b")
    await anyio.sleep(0.05)
    return await make().due(outcome["incident"], outcome["act"]["decision"])


@tells(Rule.DEADLINE_TIMER)
async def deadline_timer(make: MakeDesk, ledger: Ledger) -> object:
    deadline = await ledger.store.time_ms() + 600_000
    outcome = await make(SLOW).decide(healing(deadlineAt=iso(deadline)))
    return await make().deadline(outcome["incident"], deadline)


def test_every_rule_has_a_story() -> None:
    assert set(STORIES) == set(Rule)


ABOUT_NO_REQUEST = (Rule.STORM_OPENED, Rule.STORM_UNFOUNDED, Rule.CLOSING_UNPROVEN)


@pytest.mark.parametrize("rule", Rule, ids=str)
async def test_a_rule_leaves_exactly_one_evidence_event(make_desk: MakeDesk, ledger: Ledger, rule: Rule) -> None:
    await STORIES[rule](make_desk, ledger)
    records = [r for r in await sent(ledger, "otel/event") if r["metadata"].get("rule") == str(rule)]
    (record,) = records
    assert record["action"] in ("system.self-healing.router", "system.backup.failure.router")
    assert record["success"] is not rule.alert
    told = {"model", "confidence", "attempt"} | ({"runContext", "evidence"} if rule not in ABOUT_NO_REQUEST else set())
    assert told <= set(record["metadata"])
