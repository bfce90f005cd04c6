"""The desk on a real store: what each rule writes, and that every step can be repeated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import pytest

from joelclaw_contracts import Alerts, Budgets, Config
from joelclaw_contracts.config import Routes
from joelclaw_healing import (
    Act,
    End,
    Incident,
    Kind,
    Ledger,
    PauseReason,
    State,
    Voice,
    close_incident,
    dismiss_incident,
)
from joelclaw_healing.errors import IncidentOver
from joelclaw_router.desk import Outcome
from joelclaw_router.failure import Budgets as Used
from joelclaw_router.failure import Failure, Policy
from joelclaw_router.policy import decide
from joelclaw_router.replies import iso
from joelclaw_router.request import Request
from joelclaw_router.rules import Rule
from tests.router.conftest import CONFIG, QUICK, SLOW, MakeDesk, backup, healing, outbox, seen_to, sent

COMPLETED = "system/self.healing.completed"
MESSAGE = "gateway/send.message"
OTEL = "otel/event"
ROUTE = "system/health.check.requested"
RETRY = "system/backup.retry.requested"
VOICE = Voice("tests")


async def incident_of(ledger: Ledger, request: Request) -> Incident:
    found = (await ledger.look(request.domain, request.target)).incident
    assert found is not None
    return found


async def test_a_failure_is_answered_scheduled_with_its_due_time_and_one_evidence(
    ledger: Ledger, make_desk: MakeDesk
) -> None:
    outcome = await make_desk(SLOW).decide(healing("e1"))
    incident = await incident_of(ledger, healing())
    (answer,) = await sent(ledger, COMPLETED)
    assert (outcome["rule"], outcome["act"]["decision"]) == ("retry-within-budget", f"{incident.id}:1")
    assert {k: answer[k] for k in ("status", "action", "eventId", "incidentId", "attempt", "nextAttempt", "model")} == {
        "status": "scheduled",
        "action": "retry",
        "eventId": "e1",
        "incidentId": incident.id,
        "attempt": 0,
        "nextAttempt": 1,
        "model": "policy",
    }
    assert answer["delayMs"] == 315_000
    assert answer["dueAt"].endswith("Z")
    assert answer["playbook"] == {"runbooks": ["bridge.md"]}
    (proof,) = await sent(ledger, OTEL)
    assert (proof["action"], proof["metadata"]["rule"], proof["metadata"]["incidentId"]) == (
        "system.self-healing.router",
        "retry-within-budget",
        incident.id,
    )
    assert proof["metadata"]["evidence"] == {
        "count": 2,
        "samples": ["log: bridge.log", "note: seen at noon"],
        "types": {"log": 1, "note": 1},
    }
    assert proof["metadata"]["budget"] == {
        "maxRetries": 5,
        "retriesToday": 0,
        "retriesPerDay": 12,
        "retriesOfAll": 0,
        "allRetriesPerHour": 60,
    }
    assert await sent(ledger, ROUTE) == []


async def test_a_redelivered_request_adds_nothing_and_hears_the_same(ledger: Ledger, make_desk: MakeDesk) -> None:
    first = await make_desk(dice=0.1).decide(healing("e1"))
    before = await outbox(ledger)
    assert await make_desk(dice=0.9).decide(healing("e1")) == first
    assert await outbox(ledger) == before


async def test_the_same_trouble_again_joins(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk(SLOW)
    first = await desk.decide(healing("e1", owner="ann"))
    second = await desk.decide(healing("e2", owner="bob", problemSummary="another error"))
    _, answer = await sent(ledger, COMPLETED)
    incident = await incident_of(ledger, healing())
    assert second["act"] is None
    assert (answer["status"], answer["reason"], answer["incidentId"]) == ("noop", "joined", incident.id)
    assert answer["dueAt"] == (await sent(ledger, COMPLETED))[0]["dueAt"]
    assert (incident.attempt, incident.requests, incident.owner, incident.watchers) == (0, 2, "ann", ("bob",))
    assert incident.act is not None
    assert incident.act.due_ms == first["act"]["due_ms"]


async def test_a_hand_over_counts_the_attempt_and_routes_once(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk()
    outcome = await desk.decide(healing("e1"))
    served = await seen_to(desk, outcome)
    assert await desk.due(outcome["incident"], outcome["act"]["decision"]) == served
    assert (served["rule"], served["act"]) == ("handed-over", None)
    (route,) = [row for row in await outbox(ledger) if row["target"] == ROUTE]
    incident = await incident_of(ledger, healing())
    assert route["event_id"] == f"{incident.id}:1"
    data = route["data"]
    assert (data["incidentId"], data["attempt"], data["nextAttempt"]) == (incident.id, 1, 1)
    assert data["retryPolicy"] == {"maxRetries": 5, "sleepMinMs": 1, "sleepMaxMs": 30, "sleepStepMs": 1}
    assert data["decision"]["action"] == "retry"
    assert data["decision"]["routeTo"] == ROUTE
    assert data["context"]["runContext"] == {
        "runContextKey": incident.id,
        "flowTrace": ["tests/prober", "system/self.healing.requested", "system/self-healing.router"],
        "sourceEventName": "system/self.healing.requested",
        "sourceEventId": "e1",
        "attempt": 0,
        "nextAttempt": 1,
    }
    assert (incident.attempt, incident.act, incident.last_act) == (1, None, "retry")


async def test_retries_go_on_until_they_are_spent_whatever_the_payload_says(
    ledger: Ledger, make_desk: MakeDesk
) -> None:
    desk = make_desk()
    delays = []
    for n in range(5):
        outcome = await desk.decide(backup(f"e{n}", error=f"Connection refused, try {n}"))
        assert outcome["status"] == "scheduled"
        incident = await incident_of(ledger, backup())
        assert incident.act is not None
        delays.append((await sent(ledger, COMPLETED))[-1]["delayMs"])
        await seen_to(desk, outcome)
    last = await desk.decide(backup("e5"))
    absorbed = await desk.decide(backup("e6"))
    assert (last["rule"], last["status"]) == ("retries-spent", "exhausted")
    assert (absorbed["rule"], absorbed["status"]) == ("absorbed-by-escalation", "noop")
    assert delays == [1, 2, 4, 8, 16]
    incident = await incident_of(ledger, backup())
    assert (incident.state, incident.attempt) == (State.ESCALATED, 5)
    assert [i.id for i in await ledger.queue()] == [incident.id]
    retries = await sent(ledger, RETRY)
    assert [r["attempt"] for r in retries] == [1, 2, 3, 4, 5]
    assert {r["target"] for r in retries} == {"redis"}
    (alert,) = [row for row in await outbox(ledger) if row["target"] == MESSAGE]
    assert alert["event_id"] == f"{incident.id}:escalated:1"
    assert alert["data"]["channel"] == "default"
    assert incident.id in alert["data"]["text"]
    assert len(await sent(ledger, COMPLETED)) == 7


async def test_the_days_retries_bind_across_incidents(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk(CONFIG.model_copy(update={"budgets": Budgets(retries_per_day=2)}))
    for n in range(2):
        await seen_to(desk, await desk.decide(healing(f"e{n}")))
    assert (await desk.decide(healing("e2")))["rule"] == "retries-per-day-spent"


async def test_a_request_without_a_route_is_blocked_and_one_person_told_once(
    ledger: Ledger, make_desk: MakeDesk
) -> None:
    desk = make_desk()
    for n in range(3):
        outcome = await desk.decide(healing(f"e{n}", targetEventName=None))
        assert (outcome["rule"], outcome["status"]) == ("route-missing", "blocked")
    assert len(await sent(ledger, MESSAGE)) == 1
    assert [a["status"] for a in await sent(ledger, COMPLETED)] == ["blocked"] * 3
    assert (await desk.decide(healing("e9")))["status"] == "scheduled"


@pytest.mark.parametrize(
    ("route", "rule"),
    [
        ("nobody/knows.this", "route-not-allowed"),
        ("otel/event", "route-not-allowed"),
        ("not a name", "route-not-allowed"),
        ("system/backup.retry.requested", "route-payload-invalid"),
    ],
)
async def test_a_route_that_can_not_be_taken_is_blocked(make_desk: MakeDesk, route: str, rule: str) -> None:
    assert (await make_desk().decide(healing("e1", targetEventName=route)))["rule"] == rule


async def test_configuration_can_allow_a_route_that_the_suite_does_not_know(make_desk: MakeDesk) -> None:
    config = CONFIG.model_copy(update={"routes": Routes(allowed=("shop/mend",))})
    outcome = await make_desk(config).decide(healing("e1", targetEventName="shop/mend"))
    assert outcome["rule"] == "retry-within-budget"


@pytest.mark.parametrize("target", ["*", "all", "queue/*"])
async def test_a_set_of_targets_is_refused_and_opens_nothing(ledger: Ledger, make_desk: MakeDesk, target: str) -> None:
    outcome = await make_desk().decide(healing("e1", targetComponent=target))
    assert (outcome["rule"], outcome["status"], outcome["incident"]) == ("target-set-refused", "blocked", "")
    assert await ledger.list_incidents() == []
    assert [a["rule"] for a in await sent(ledger, COMPLETED)] == ["target-set-refused"]
    assert len(await sent(ledger, OTEL)) == 1


async def test_a_dry_run_says_the_rule_and_writes_only_its_own_record(ledger: Ledger, make_desk: MakeDesk) -> None:
    outcome = await make_desk().decide(healing("e1", dryRun=True))
    (answer,) = await sent(ledger, COMPLETED)
    assert (outcome["act"], answer["status"], answer["dryRun"], answer["rule"]) == (
        None,
        "detected",
        True,
        "retry-within-budget",
    )
    assert "incidentId" not in answer
    keys = {k.decode().partition("}:")[2].partition(":")[0] for k in await ledger.store.call("KEYS", "{*")}
    assert keys == {"done", "outbox"}


async def test_a_permanent_failure_goes_to_a_person_at_once(ledger: Ledger, make_desk: MakeDesk) -> None:
    outcome = await make_desk().decide(backup("e1", error="mkdir: Permission denied"))
    assert (outcome["rule"], outcome["status"]) == ("permanent-failure", "escalated")
    (answer,) = await sent(ledger, COMPLETED)
    assert (answer["action"], answer["domain"], answer["targetComponent"]) == ("escalate", "backup", "redis")
    (proof,) = await sent(ledger, OTEL)
    assert (proof["action"], proof["success"], proof["level"]) == ("system.backup.failure.router", False, "error")


async def test_an_unknown_failure_is_held_once_then_retried(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk()
    held = await desk.decide(backup("e1", error="gremlins"))
    assert held["rule"] == "hold-unknown-failure"
    again = await seen_to(desk, held)
    assert again["rule"] == "retry-within-budget"
    assert (await incident_of(ledger, backup())).attempt == 1
    assert await sent(ledger, RETRY) == []
    done = await seen_to(desk, again)
    assert done["rule"] == "handed-over"
    assert [r["attempt"] for r in await sent(ledger, RETRY)] == [2]
    assert len(await sent(ledger, COMPLETED)) == 1  # one answer, however many decisions


async def test_a_deferred_backup_that_is_not_drained_is_never_retried(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk()
    held = await desk.decide(backup("e1", error="queued", failureClass="deferred"))
    assert held["rule"] == "hold-while-drained"
    assert (await seen_to(desk, held))["rule"] == "deferred-not-drained"
    assert await sent(ledger, RETRY) == []


async def test_a_playbook_can_ask_to_wait_first(make_desk: MakeDesk) -> None:
    desk = make_desk()
    held = await desk.decide(healing("e1", playbook={"defer": ["a deploy is running"]}))
    assert held["rule"] == "hold-asked-by-playbook"
    assert (await seen_to(desk, held))["rule"] == "retry-within-budget"


async def test_a_backup_is_one_incident_whoever_reports_it(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk(SLOW)
    first = await desk.decide(backup("e1"))
    second = await desk.decide(
        healing("e2", domain="backup", targetComponent="system/backup.redis", targetEventName=None)
    )
    assert (second["rule"], second["incident"]) == ("joined", first["incident"])


async def test_a_request_for_a_backup_is_retried_as_a_backup(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk()
    request = healing(
        "e1", domain="backup", targetComponent="Redis", targetEventName=None, problemSummary="connection refused"
    )
    await seen_to(desk, await desk.decide(request))
    (retry,) = await sent(ledger, RETRY)
    assert (retry["target"], retry["targetFunctionId"], retry["error"]) == (
        "redis",
        "system/backup.redis",
        "connection refused",
    )


async def test_a_backup_whose_window_is_over_is_exhausted(make_desk: MakeDesk) -> None:
    outcome = await make_desk().decide(backup("e1", backupFailureDetectedAt="2020-01-01T00:00:00Z"))
    assert (outcome["rule"], outcome["status"]) == ("recovery-window-spent", "exhausted")


async def test_a_retry_that_would_be_due_after_the_window_is_exhausted(ledger: Ledger, make_desk: MakeDesk) -> None:
    outcome = await make_desk(SLOW).decide(backup("e1", retryWindowHours=0.05))
    assert (outcome["rule"], outcome["status"]) == ("due-past-recovery-window", "exhausted")


async def test_no_retries_allowed_means_a_person_at_once(ledger: Ledger, make_desk: MakeDesk) -> None:
    outcome = await make_desk().decide(healing("e1", retryPolicy={"maxRetries": 0}))
    assert (outcome["rule"], outcome["status"]) == ("retries-forbidden", "exhausted")
    assert len(await sent(ledger, MESSAGE)) == 1


@pytest.mark.parametrize("fallback", ["escalate", "manual"])
async def test_the_fallback_chooses_between_a_page_and_the_digest(
    ledger: Ledger, make_desk: MakeDesk, fallback: str
) -> None:
    config = CONFIG.model_copy(update={"alerts": Alerts(owners={"ann": ("tg:ann",)})})
    request = healing("e1", retryPolicy={"maxRetries": 0}, fallbackAction=fallback, owner="ann")
    await make_desk(config).decide(request)
    (message,) = await sent(ledger, MESSAGE)
    assert message["channel"] == ("digest" if fallback == "manual" else "tg:ann")
    assert "bridge.md" in message["text"]
    assert len(await ledger.queue()) == 1


async def test_the_kill_switch_blocks_new_requests_and_pages_nobody(ledger: Ledger, make_desk: MakeDesk) -> None:
    await ledger.stop(actor="joel", reason="maintenance")
    outcome = await make_desk().decide(healing("e1"))
    (answer,) = await sent(ledger, COMPLETED)
    assert (outcome["rule"], answer["status"]) == ("kill-switch", "blocked")
    assert "maintenance" in answer["reason"]
    assert await sent(ledger, MESSAGE) == []


async def test_due_work_waits_while_the_switch_is_on_and_goes_on_after(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk()
    outcome = await desk.decide(healing("e1"))
    await anyio.sleep(0.05)
    await ledger.stop(actor="joel", reason="maintenance")
    waits = []
    for check in range(6):
        held = await desk.due(outcome["incident"], outcome["act"]["decision"], check)
        assert held["verdict"] == "waits"
        waits.append(held["act"]["due_ms"] - await ledger.store.time_ms())
    assert all(2_000 < wait <= 60_000 for wait in waits)
    assert waits[-1] > waits[0]
    rules = [p["metadata"]["rule"] for p in await sent(ledger, OTEL)]
    assert rules == ["retry-within-budget", "kill-switch-holds-due-act"]
    assert await sent(ledger, ROUTE) == []
    await ledger.start(actor="joel", reason="done")
    afresh = await seen_to(desk, outcome)
    assert afresh["rule"] == "retry-within-budget", "what was held is judged afresh"
    assert await sent(ledger, ROUTE) == []
    assert (await seen_to(desk, afresh))["rule"] == "handed-over"
    assert len(await sent(ledger, ROUTE)) == 1


async def test_an_act_held_past_its_deadline_is_not_made(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk()
    now = await ledger.store.time_ms()
    outcome = await desk.decide(healing("e1", deadlineAt=iso(now + 200)))
    await ledger.stop(actor="joel", reason="maintenance")
    await anyio.sleep(0.25)
    await ledger.start(actor="joel", reason="done")
    assert (await seen_to(desk, outcome))["rule"] == "deadline-past"
    assert await sent(ledger, ROUTE) == []
    assert len(await ledger.queue()) == 1


async def test_a_deadline_leaves_one_timer_and_its_coming_calls_a_person_once(
    ledger: Ledger, make_desk: MakeDesk
) -> None:
    desk = make_desk(CONFIG)
    now = await ledger.store.time_ms()
    outcome = await desk.decide(healing("e1", deadlineAt=iso(now + 300)))
    await seen_to(desk, outcome)
    (timer,) = [row for row in await outbox(ledger) if "deadlineMs" in row["data"]]
    assert timer["at_ms"] == now + 300
    for _ in range(2):
        got = await desk.deadline(timer["data"]["incidentId"], timer["data"]["deadlineMs"])
        assert got["rule"] == "deadline-timer"
    assert len(await sent(ledger, MESSAGE)) == 1
    assert [i.id for i in await ledger.queue()] == [outcome["incident"]]


async def test_a_deadline_of_what_was_blocked_calls_a_person(ledger: Ledger, make_desk: MakeDesk) -> None:
    deadline = await ledger.store.time_ms() + 200
    await ledger.stop(actor="joel", reason="maintenance")
    blocked = await make_desk().decide(healing("e1", deadlineAt=iso(deadline)))
    assert (await make_desk().deadline(blocked["incident"], deadline))["rule"] == "deadline-timer"
    assert len(await sent(ledger, MESSAGE)) == 1


async def test_a_deadline_of_what_is_resolved_is_nothing(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk()
    deadline = await ledger.store.time_ms() + 60_000
    outcome = await desk.decide(healing("e1", deadlineAt=iso(deadline)))
    await close_incident(ledger, outcome["incident"], by="probe", detail="well again", voice=VOICE)
    assert (await desk.deadline(outcome["incident"], deadline))["verdict"] == "nothing"


async def test_a_closed_incident_is_not_acted_on(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk()
    outcome = await desk.decide(healing("e1"))
    assert await close_incident(ledger, outcome["incident"], by="probe", detail="six good probes", voice=VOICE)
    assert not await close_incident(ledger, outcome["incident"], by="probe", detail="again", voice=VOICE)
    assert (await seen_to(desk, outcome))["verdict"] == "nothing"
    assert await sent(ledger, ROUTE) == []
    closings = [c for c in await sent(ledger, COMPLETED) if "eventId" not in c]
    assert [(c["status"], c["incidentId"]) for c in closings] == [("remediated", outcome["incident"])]


async def test_a_person_dismisses_and_is_recorded(ledger: Ledger, make_desk: MakeDesk) -> None:
    outcome = await make_desk().decide(backup("e1", error="Permission denied"))
    await dismiss_incident(ledger, outcome["incident"], actor="joel", reason="known", voice=VOICE)
    incident, timeline = await ledger.show(outcome["incident"])
    assert (incident.end, incident.closed_by) == (End.DISMISSED.value, "joel")
    assert timeline[-1]["by"] == "joel"
    assert await ledger.queue() == []
    ids = [row["event_id"] for row in await outbox(ledger) if row["target"] == MESSAGE]
    assert sorted(ids) == [f"{incident.id}:dismissed:2", f"{incident.id}:escalated:1"]
    with pytest.raises(IncidentOver):
        await dismiss_incident(ledger, outcome["incident"], actor="joel", reason="known", voice=VOICE)


async def test_resolved_is_said_only_where_an_alert_was(ledger: Ledger, make_desk: MakeDesk) -> None:
    outcome = await make_desk().decide(healing("e1"))
    await close_incident(ledger, outcome["incident"], by="probe", detail="well", voice=VOICE)
    assert await sent(ledger, MESSAGE) == []


async def test_a_failure_soon_after_closing_keeps_its_attempts(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk()
    first = await desk.decide(healing("e1"))
    await seen_to(desk, first)
    await close_incident(ledger, first["incident"], by="probe", detail="well", voice=VOICE)
    second = await desk.decide(healing("e2"))
    assert second["incident"] == first["incident"]
    assert (await sent(ledger, COMPLETED))[-1]["nextAttempt"] == 2


async def test_a_deadline_and_a_decision_of_before_mean_nothing_after_a_reopening(
    ledger: Ledger, make_desk: MakeDesk
) -> None:
    desk = make_desk(SLOW)
    old = await ledger.store.time_ms() + 600_000
    first = await desk.decide(healing("e1", deadlineAt=iso(old)))
    await close_incident(ledger, first["incident"], by="probe", detail="well", voice=VOICE)
    second = await desk.decide(healing("e2", deadlineAt=iso(old + 600_000)))
    assert second["incident"] == first["incident"]
    assert (await incident_of(ledger, healing())).deadline_ms == old + 600_000
    assert (await desk.deadline(first["incident"], old))["verdict"] == "nothing"
    assert (await desk.due(first["incident"], first["act"]["decision"]))["verdict"] == "nothing"
    assert (await desk.due(second["incident"], second["act"]["decision"]))["verdict"] == "waits"


async def test_an_act_whose_run_is_lost_is_seen_to_by_the_next_report(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk()
    lost = await desk.decide(healing("e1"))
    look = await ledger.look("gateway-bridge", "bridge")
    assert look.incident is not None
    assert look.incident.act is not None
    overdue = replace(look.incident.act, due_ms=look.now - 400_000)
    row = replace(look.incident, act=overdue).to_fields()
    await ledger.store.call("HSET", ledger.slot.key("incident", lost["incident"]), "act", row["act"])
    await ledger.pause(PauseReason("p", "all", "joel", "moving the NAS", look.now, look.now + 3_600_000))
    assert (await desk.decide(healing("e1b")))["act"] is None, "what a pause holds is late, and its run is not lost"
    assert await ledger.resume("p", actor="joel")
    joined = await desk.decide(healing("e2"))
    assert (joined["rule"], joined["act"]["decision"]) == ("joined", lost["act"]["decision"])
    assert (await seen_to(desk, joined))["rule"] == "handed-over"


async def test_racing_routers_decide_once_and_the_rest_join(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk(SLOW)
    outcomes: list[Outcome] = []

    async def one(n: int) -> None:
        outcomes.append(await desk.decide(healing(f"e{n}")))

    async with anyio.create_task_group() as group:
        for n in range(8):
            group.start_soon(one, n)
    assert sorted(o["rule"] for o in outcomes) == ["joined"] * 7 + ["retry-within-budget"]
    incident = await incident_of(ledger, healing())
    assert (incident.decisions, incident.requests) == (1, 8)
    assert len(await sent(ledger, COMPLETED)) == 8


async def test_racing_hand_overs_route_once(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk()
    outcome = await desk.decide(healing("e1"))
    await anyio.sleep(0.05)
    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(desk.due, outcome["incident"], outcome["act"]["decision"])
    assert (await incident_of(ledger, healing())).attempt == 1
    assert len(await sent(ledger, ROUTE)) == 1


async def test_every_recorded_decision_is_decided_the_same_again(ledger: Ledger, make_desk: MakeDesk) -> None:
    desk = make_desk(dice=0.123)
    for n in range(7):
        outcome = await desk.decide(backup(f"e{n}", error="gremlins"))
        while outcome["act"]:
            outcome = await seen_to(desk, outcome)
    _, timeline = await ledger.show(outcome["incident"])
    decided = [line for line in timeline if "dice" in line]
    assert {line["decision"]["rule"] for line in decided} >= {"hold-unknown-failure", "retry-within-budget"}
    for line in decided:
        assert replayed(line).to_json() == line["decision"]


def replayed(line: dict[str, Any]) -> Any:
    was = line["incident"]
    incident = Incident("i", "d", "t", State(was["state"]), 1, 0, 0, was["attempt"], was["holds"])
    incident = replace(incident, last_act=was["last_act"])
    if was["act_due_ms"]:
        incident = replace(incident, act=Act("d", Kind.RETRY, was["act_due_ms"]))
    return decide(
        Failure.from_json(line["failure"]),
        incident,
        Used(**line["budgets"]),
        now=line["at"],
        policy=Policy(**line["policy"]),
        dice=line["dice"],
    )


async def test_configuration_can_lower_the_most_retries(make_desk: MakeDesk) -> None:
    config = Config(healing_router=QUICK, budgets=Budgets(max_retries=0))
    assert (await make_desk(config).decide(healing("e1", retryPolicy={"maxRetries": 9})))["rule"] == str(
        Rule.RETRIES_FORBIDDEN
    )
