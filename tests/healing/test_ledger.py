"""The ledger on a real server: each move is made once, on what was judged, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import anyio
import pytest

from joelclaw_bus.errors import StoreRefused
from joelclaw_bus.keys import Slot
from joelclaw_healing.errors import IncidentUnknown
from joelclaw_healing.incident import Act, End, Incident, Kind, State
from joelclaw_healing.ledger import Ledger
from joelclaw_healing.lifecycle import Report, closed, escalated, reported, scheduled, served
from joelclaw_healing.look import Look
from joelclaw_healing.move import Answer, Charge, Full, Letter, Made, Move, Moved, Stopped
from joelclaw_healing.switch import KillSwitch

REPORT = Report("req:1", "webhooks", "github", 5)


async def opened(ledger: Ledger) -> Incident:
    look = await ledger.look("webhooks", "github")
    await ledger.make(look, Move("m:open", {}, {"what": "opened"}, after=reported(None, REPORT, look.now)))
    return await current(ledger)


async def current(ledger: Ledger) -> Incident:
    incident = (await ledger.look("webhooks", "github")).incident
    assert incident is not None
    return incident


def schedule(look: Look, move: str, *, charges: tuple[Charge, ...] = ()) -> Move:
    before = look.incident
    assert before is not None
    act = Act(f"{before.id}:{before.decisions + 1}", Kind.RETRY, look.now + 50, "some/event", '{"a":1}')
    letter = Letter("system/self.healing.completed", f"answer:{move}", '{"status":"scheduled"}')
    after = scheduled(before, act)
    return Move(move, {"decision": act.decision}, {"what": "scheduled"}, before, after, True, charges, (letter,))


async def outbox(ledger: Ledger) -> dict[str, dict[str, object]]:
    flat = await ledger.store.call("HGETALL", ledger.slot.outbox_items)
    assert await ledger.store.call("ZCARD", ledger.slot.outbox) == len(flat) // 2
    return {flat[i].decode(): json.loads(flat[i + 1]) for i in range(0, len(flat), 2)}


async def test_a_target_that_nobody_knows_has_no_incident(ledger: Ledger) -> None:
    look = await ledger.look("webhooks", "github")
    assert (look.incident, look.current, look.earlier, look.switch) == (None, "", None, None)


async def test_opening_is_listed_and_kept_without_expiry(ledger: Ledger) -> None:
    incident = await opened(ledger)
    assert [i.id for i in await ledger.list_incidents()] == [incident.id]
    assert await ledger.store.call("PTTL", ledger.slot.key("incident", incident.id)) == -1
    shown, timeline = await ledger.show(incident.id)
    assert shown == incident
    assert [(line["what"], line["seq"]) for line in timeline] == [("opened", 1)]


async def test_a_move_made_twice_is_made_once_and_tells_its_first_outcome(ledger: Ledger) -> None:
    await opened(ledger)
    look = await ledger.look("webhooks", "github")
    move = schedule(look, "m:1")
    first = await ledger.make(look, move)
    later = await ledger.look("webhooks", "github", move="m:1")
    again = await ledger.make(later, replace(move, outcome={"decision": "another"}))
    assert first == Made({"decision": move.outcome["decision"]})
    assert again == Made({"decision": move.outcome["decision"]}, earlier=True)
    assert later.earlier == move.outcome
    assert (await current(ledger)).seq == 2
    assert list(await outbox(ledger)) == ["answer:m:1"]
    assert len((await ledger.show(look.current))[1]) == 2


async def test_a_move_judged_on_an_older_look_is_not_made(ledger: Ledger) -> None:
    await opened(ledger)
    look = await ledger.look("webhooks", "github")
    assert isinstance(await ledger.make(look, schedule(look, "m:1")), Made)
    assert await ledger.make(look, schedule(look, "m:2")) == Moved()
    assert list(await outbox(ledger)) == ["answer:m:1"]


async def test_two_that_open_the_same_incident_open_one(ledger: Ledger) -> None:
    look = await ledger.look("webhooks", "github")
    first = Move("m:a", {}, {}, after=reported(None, REPORT, look.now))
    second = Move("m:b", {}, {}, after=reported(None, replace(REPORT, cause="req:2"), look.now))
    assert isinstance(await ledger.make(look, first), Made)
    assert await ledger.make(look, second) == Moved()
    assert len(await ledger.list_incidents()) == 1


async def test_twenty_racers_move_it_once_each_round(ledger: Ledger) -> None:
    await opened(ledger)
    look = await ledger.look("webhooks", "github")
    answers: list[Answer] = []

    async def race(n: int) -> None:
        answers.append(await ledger.make(look, schedule(look, f"m:{n}")))

    async with anyio.create_task_group() as group:
        for n in range(20):
            group.start_soon(race, n)
    assert sorted(type(a).__name__ for a in answers) == ["Made"] + ["Moved"] * 19
    assert len(await outbox(ledger)) == 1


async def test_racers_of_the_same_move_all_learn_the_one_outcome(ledger: Ledger) -> None:
    await opened(ledger)
    look = await ledger.look("webhooks", "github")
    answers: list[Answer] = []

    async def race() -> None:
        answers.append(await ledger.make(look, schedule(look, "m:1")))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(race)
    assert sum(a == Made({"decision": f"{look.current}:1"}) for a in answers) == 1
    assert sum(a == Made({"decision": f"{look.current}:1"}, earlier=True) for a in answers) == 9


async def test_a_letter_lies_in_the_outbox_as_the_bus_reads_it(ledger: Ledger) -> None:
    await opened(ledger)
    look = await ledger.look("webhooks", "github")
    await ledger.make(look, replace(schedule(look, "m:1"), traceparent="00-1-2-01"))
    item = (await outbox(ledger))["answer:m:1"]
    assert item == {
        "id": "answer:m:1",
        "kind": "event",
        "target": "system/self.healing.completed",
        "event_id": "answer:m:1",
        "data": '{"status":"scheduled"}',
        "source": "joelclaw-healing",
        "traceparent": "00-1-2-01",
        "created_ms": look.now,
    }


async def test_the_worker_is_asked_to_deliver_what_a_move_wrote(ledger: Ledger) -> None:
    posted: list[tuple[Slot, str]] = []
    await opened(ledger)
    posting = replace(ledger, post=lambda slot, item: posted.append((slot, item.id)))
    look = await posting.look("webhooks", "github")
    for _ in range(2):
        await posting.make(look, schedule(look, "m:1"))
    assert posted == [(ledger.slot, "answer:m:1")]


async def test_a_full_budget_is_named_and_nothing_is_written(ledger: Ledger) -> None:
    await opened(ledger)
    wide, narrow = Charge("acts", "github", 9, 60_000), Charge("retries", "github", 2, 60_000)
    for n in range(2):
        look = await ledger.look("webhooks", "github")
        assert isinstance(await ledger.make(look, schedule(look, f"m:{n}", charges=(wide, narrow))), Made)
    look = await ledger.look("webhooks", "github", charges=(wide, narrow))
    assert look.spent == (2, 2)
    assert await ledger.make(look, schedule(look, "m:3", charges=(wide, narrow))) == Full("retries")
    assert (await ledger.look("webhooks", "github", charges=(wide, narrow))).spent == (2, 2)
    assert (await current(ledger)).seq == 3


async def test_racers_never_overdraw_a_budget(ledger: Ledger) -> None:
    """Different incidents share one budget: the check and the charge are one step."""
    charge = Charge("global", "all", 3, 60_000)
    answers: list[Answer] = []

    async def act(n: int) -> None:
        look = await ledger.look("webhooks", f"t{n}")
        report = replace(REPORT, cause=f"req:{n}", target=f"t{n}")
        answers.append(
            await ledger.make(look, Move(f"m:{n}", {}, {}, after=reported(None, report, look.now), charges=(charge,)))
        )

    async with anyio.create_task_group() as group:
        for n in range(12):
            group.start_soon(act, n)
    assert sorted(type(a).__name__ for a in answers) == ["Full"] * 9 + ["Made"] * 3


async def test_a_unit_of_a_rolling_budget_comes_back_after_its_window(ledger: Ledger) -> None:
    await opened(ledger)
    day = Charge("retries", "github", 1, 86_400_000)
    look = await ledger.look("webhooks", "github")
    await ledger.make(look, schedule(look, "m:1", charges=(day,)))
    (budget,) = await ledger.store.call("KEYS", ledger.slot.key("budget", "*"))
    await ledger.store.call("ZADD", budget, look.now - 86_400_001, "m:1")
    look = await ledger.look("webhooks", "github", charges=(day,))
    assert look.spent == (0,)
    assert isinstance(await ledger.make(look, schedule(look, "m:2", charges=(day,))), Made)


async def test_the_kill_switch_refuses_acts_and_lets_the_rest_pass(ledger: Ledger) -> None:
    incident = await opened(ledger)
    assert await ledger.stop(actor="joel", reason="maintenance")
    assert not await ledger.stop(actor="eve", reason="another")
    look = await ledger.look("webhooks", "github")
    assert look.switch is not None
    assert (look.switch.owner, look.switch.reason) == ("joel", "maintenance")
    assert await ledger.make(look, schedule(look, "m:1")) == Stopped()
    escalation = Move("m:2", {}, {}, incident, escalated(incident, alerts=0))
    assert isinstance(await ledger.make(look, escalation), Made)
    assert await ledger.start(actor="ann", reason="done")
    assert not await ledger.start(actor="ann", reason="done")
    assert await ledger.switch() is None
    assert [(line["verb"], line["actor"]) for line in await ledger.switch_log()] == [("stop", "joel"), ("start", "ann")]


async def test_a_switch_that_was_turned_after_the_look_still_stops(ledger: Ledger) -> None:
    await opened(ledger)
    look = await ledger.look("webhooks", "github")
    await ledger.stop(actor="joel", reason="now")
    assert await ledger.make(look, schedule(look, "m:1")) == Stopped()


async def test_a_switch_that_can_not_be_read_is_on(ledger: Ledger) -> None:
    await ledger.store.call("HSET", ledger.slot.key("switch"), "nonsense", "1")
    assert await ledger.switch() == KillSwitch("unknown", "unknown", 0)
    await ledger.store.call("DEL", ledger.slot.key("switch"))
    await ledger.store.call("SET", ledger.slot.key("switch"), "1")
    with pytest.raises(StoreRefused):
        await ledger.look("webhooks", "github")


async def close(ledger: Ledger) -> Incident:
    look = await ledger.look("webhooks", "github")
    assert look.incident is not None
    over = closed(look.incident, end=End.RESOLVED, by="probe", now=look.now)
    assert isinstance(await ledger.make(look, Move("m:close", {}, {}, look.incident, over)), Made)
    return await current(ledger)


async def test_a_closed_incident_expires_and_leaves_the_queue(ledger: Ledger) -> None:
    incident = await opened(ledger)
    look = await ledger.look("webhooks", "github")
    await ledger.make(look, Move("m:esc", {}, {}, incident, escalated(incident, alerts=1)))
    assert [i.id for i in await ledger.queue()] == [incident.id]
    over = await close(ledger)
    assert over.state is State.CLOSED
    assert await ledger.queue() == []
    assert await ledger.list_incidents() == []
    assert [i.id for i in await ledger.list_incidents(closed=True)] == [incident.id]
    for kind in ("incident", "audit"):
        assert await ledger.store.call("PTTL", ledger.slot.key(kind, incident.id)) > 0


async def test_a_reopened_incident_expires_no_more(ledger: Ledger) -> None:
    await opened(ledger)
    over = await close(ledger)
    look = await ledger.look("webhooks", "github")
    again = reported(over, replace(REPORT, cause="req:9"), look.now)
    assert isinstance(await ledger.make(look, Move("m:again", {}, {}, over, again)), Made)
    back = await current(ledger)
    assert (back.id, back.state, back.reopened) == (over.id, State.OPEN, 1)
    assert await ledger.store.call("PTTL", ledger.slot.key("incident", back.id)) == -1
    assert [i.id for i in await ledger.list_incidents(closed=True)] == [back.id]


async def test_a_move_without_incident_writes_its_record_and_letters_only(ledger: Ledger) -> None:
    look = await ledger.look("webhooks", "*")
    move = Move("m:dry", {"rule": "x"}, {}, letters=(Letter("a/b", "l:1", "{}"),))
    assert await ledger.make(look, move) == Made({"rule": "x"})
    keys = sorted(k.decode().partition("}:")[2] for k in await ledger.store.call("KEYS", "{*"))
    assert [k.partition(":")[0] for k in keys] == ["done", "outbox", "outbox"]


async def test_the_audit_is_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joelclaw_healing.move_call.KEEP_AUDIT", 3)
    await opened(ledger)
    for n in range(5):
        look = await ledger.look("webhooks", "github")
        await ledger.make(look, schedule(look, f"m:{n}"))
    _, timeline = await ledger.show((await current(ledger)).id)
    assert [line["move"] for line in timeline] == ["m:2", "m:3", "m:4"]


async def test_attempts_count_in_the_store(ledger: Ledger) -> None:
    await opened(ledger)
    steps: list[Callable[[Look], Move]] = [
        lambda look: schedule(look, "m:1"),
        lambda look: Move("m:2", {}, {}, look.incident, served(look.incident or REPORTED)),
    ]
    for step in steps:
        look = await ledger.look("webhooks", "github")
        await ledger.make(look, step(look))
    assert ((await current(ledger)).attempt, (await current(ledger)).act) == (1, None)


REPORTED = reported(None, REPORT, 0)


async def test_an_incident_that_nobody_knows_is_named(ledger: Ledger) -> None:
    with pytest.raises(IncidentUnknown, match="inc-nowhere"):
        await ledger.show("inc-nowhere")


async def test_every_key_lies_in_one_slot(ledger: Ledger) -> None:
    incident = await opened(ledger)
    look = await ledger.look("webhooks", "github")
    await ledger.make(look, schedule(look, "m:1", charges=(Charge("retries", "github", 2, 60_000),)))
    await ledger.stop(actor="a", reason="b")
    keys = [k.decode() for k in await ledger.store.call("KEYS", "{*")]
    assert {k.partition("}")[0] for k in keys} == {"{healing/incidents"}
    assert ledger.slot.key("incident", incident.id) in keys
