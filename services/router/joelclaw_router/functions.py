"""What runs when. Each handler decides in one journaled step, then waits for its act's time and sees to it.

| function                     | on                                                       | one at a time per        |
|------------------------------|----------------------------------------------------------|--------------------------|
| system/self-healing.router   | `system/self.healing.requested` of a domain that is ours | domain, targetComponent  |
| system/backup.failure.router | `system/backup.failure.detected`                         | target                   |
| system/self-healing.timer    | `healing/incident.due` (our own)                         | incident                 |
| system/self-healing.closer   | `system/self.healing.completed` that says `remediated`   | incident                 |
| system/self-healing.storms   | `healing/storm.seen` (our own)                           | group                    |
| system/self-healing.orders   | `healing/incident.ordered` (a person's, by the command)  | incident                 |
"""

from __future__ import annotations

from joelclaw_bus.event import Event, Failure
from joelclaw_bus.functions import Functions, event
from joelclaw_bus.pace import Limit
from joelclaw_bus.step import Step
from joelclaw_contracts import (
    Audit,
    BackupFailureDetected,
    EventModel,
    HealingCompleted,
    HealingRequested,
    SendMessage,
    answer_invalid,
)
from joelclaw_healing.alerts import DEFAULT_CHANNEL
from joelclaw_healing.orders import IncidentApproved, IncidentOrdered
from joelclaw_router import persons, storms
from joelclaw_router.adapters import adapter_of, is_ours
from joelclaw_router.desk import CLOSER, Desk, Outcome, Said
from joelclaw_router.events import IncidentDue, StormDue, StormSeen
from joelclaw_router.observers import observed_end
from joelclaw_router.request import BACKUP_ROUTER, HEALING_ROUTER, Request

TIMER = "system/self-healing.timer"
STORMS = "system/self-healing.storms"
ORDERS = "system/self-healing.orders"
WORDS = 200
"""So many words of persons one run hears: whoever floods it with refused ones fills no journal, and is denied."""
CHECKS = 300
"""So many looks in one run; then a fresh run goes on, so that a long stop fills no journal (two steps a look)."""


def functions_of(desk: Desk) -> Functions:
    """The router's functions over this desk."""
    functions = Functions(
        on_invalid={HealingRequested.event_name: _invalid, BackupFailureDetected.event_name: _unreadable_failure}
    )

    @functions.function(
        HEALING_ROUTER,
        on=[event(HealingRequested, when=lambda e: is_ours(e.data.domain))],
        retries=2,
        concurrency=Limit(1, key=_identity),
        on_failure=_page,
        awaits=[IncidentApproved],
    )
    async def route_healing(e: Event[HealingRequested], step: Step) -> Outcome:
        return await _follow(desk, step, await _decided(desk, step, Request.of(e)))

    @functions.function(
        BACKUP_ROUTER,
        on=[event(BackupFailureDetected)],
        retries=2,
        concurrency=Limit(1, key=lambda e: e.data.target),
        on_failure=_page,
        awaits=[IncidentApproved],
    )
    async def route_backup(e: Event[BackupFailureDetected], step: Step) -> Outcome:
        return await _follow(desk, step, await _decided(desk, step, Request.of(e)))

    @functions.function(
        TIMER,
        on=[event(IncidentDue)],
        retries=2,
        concurrency=Limit(1, key=lambda e: e.data.incident_id),
        on_failure=_page,
        awaits=[IncidentApproved],
    )
    async def look_again(e: Event[IncidentDue], step: Step) -> Outcome:
        if e.data.deadline_ms is not None:
            await step.sleep_until("until-deadline", e.data.deadline_ms)  # whoever sent it early
            return await step.run("deadline", desk.deadline, e.data.incident_id, e.data.deadline_ms)
        outcome: Outcome = await step.run("look", desk.due, e.data.incident_id, e.data.decision or "")
        return await _follow(desk, step, outcome)

    @functions.function(
        STORMS,
        on=[event(StormSeen), event(StormDue)],
        retries=2,
        concurrency=Limit(1, key=_group),
        on_failure=_page,
    )
    async def storm(e: Event[StormSeen] | Event[StormDue], step: Step) -> Outcome:
        if isinstance(e.data, StormSeen):
            return await step.run("open", storms.open_storm, desk, e.data.group, e.id)
        outcome: Outcome = await step.run("look", storms.look_at_storm, desk, e.data.incident_id, e.data.watch)
        for check in range(CHECKS):
            if outcome["act"] is None:
                return outcome
            await step.sleep_until(f"wait-{check}", outcome["act"]["due_ms"])
            outcome = await step.run(f"look-{check}", storms.look_at_storm, desk, e.data.incident_id, e.data.watch)
        again = StormDue(incident_id=e.data.incident_id, group=e.data.group, watch=e.data.watch)
        await step.send_event("go-on", again, at_ms=outcome["act"]["due_ms"])
        return outcome

    @functions.function(
        ORDERS,
        on=[event(IncidentOrdered)],
        retries=2,
        concurrency=Limit(1, key=lambda e: e.data.incident_id),
        on_failure=_page,
        awaits=[IncidentApproved],
    )
    async def order(e: Event[IncidentOrdered], step: Step) -> Outcome:
        incident, who, why = e.data.incident_id, e.data.actor, e.data.reason
        outcome: Outcome = await step.run("order", persons.order, desk, incident, who, why, e.id)
        return await _follow(desk, step, outcome)

    @functions.function(
        CLOSER,
        on=[event(HealingCompleted, when=lambda e: _is_closing(e.data))],
        retries=2,
        concurrency=Limit(1, key=lambda e: e.data.incident_id),
        on_failure=_page,
    )
    async def close(e: Event[HealingCompleted], step: Step) -> bool:
        named = e.data.source_function or e.source or "nobody"
        detail = e.data.remediation_detail or e.data.reason or "observed to be well"
        target = e.data.target_component or ""
        incident, domain = e.data.incident_id or "", e.data.domain
        return await step.run("close", observed_end, desk, incident, domain, target, named, e.id, detail)

    return functions


async def _decided(desk: Desk, step: Step, request: Request) -> Outcome:
    """Decided in one journaled step; what models said of it in one before, so that they are asked once."""
    said: Said = {}
    if desk.adviser(request.domain) is not None:
        said = await step.run("consult", desk.consult, request)
    return await step.run("decide", desk.decide, request, said)


async def _follow(desk: Desk, step: Step, outcome: Outcome) -> Outcome:
    """Waits for what the outcome waits for, sees to it, and again; parked meanwhile, through any restart."""
    check = 0
    heard: list[Event[IncidentApproved]] = []
    while (act := outcome["act"]) is not None or outcome.get("approval"):
        if act is None:
            if len(heard) >= WORDS:
                why = f"{WORDS} words were heard and none was allowed to say it"
                return await step.run("denied", persons.deny, desk, outcome["incident"], outcome["approval"]["id"], why)
            outcome = await _asked(desk, step, outcome, heard)
            continue
        if check >= CHECKS:
            again = IncidentDue(incident_id=outcome["incident"], decision=act["decision"])
            await step.send_event("go-on", again, at_ms=act["due_ms"])
            return outcome
        await step.sleep_until(f"wait-{check}", act["due_ms"])
        outcome = await step.run(f"look-{check}", desk.due, outcome["incident"], act["decision"], check)
        check += 1
    return outcome


async def _asked(desk: Desk, step: Step, outcome: Outcome, heard: list[Event[IncidentApproved]]) -> Outcome:
    """Waits for a person's word that was not heard yet, and hears it; what becomes of the incident then."""
    number = len(heard)
    incident, approval = outcome["incident"], outcome["approval"]
    said = await step.wait_for_event(
        f"approval-{number}",
        IncidentApproved,
        match={"incidentId": incident, "approval": approval["id"]},
        timeout=approval["wait_ms"] / 1000,
        but=heard,
    )
    if said is None:
        return await step.run(f"denied-{number}", persons.deny, desk, incident, approval["id"])
    heard.append(said)
    who = said.data.actor
    return await step.run(f"approved-{number}", persons.approve, desk, incident, approval["id"], who, said.id)


def _group(e: Event[StormSeen] | Event[StormDue]) -> str:
    return e.data.group


def _is_closing(completed: HealingCompleted) -> bool:
    """Whether an observer says that an incident is over. What names a request is an answer, and closes nothing."""
    return completed.status == "remediated" and bool(completed.incident_id) and not completed.event_id


def _identity(e: Event[HealingRequested]) -> str:
    return f"{e.data.domain}\0{adapter_of(e.data.domain).target(e.data.target_component)}"


def _invalid(raw: bytes, error: Exception, event_id: str) -> list[EventModel]:
    answer = answer_invalid(HealingRequested.event_name, raw, error, event_id)
    return [answer] if answer else []


def _unreadable_failure(raw: bytes, error: Exception, event_id: str) -> list[EventModel]:
    """A backup failed, and how can't be read: nobody will retry it, so a person must know."""
    text = (
        f"A backup failed, but its report {event_id} can't be read: {error}\n"
        f"It is among the dead letters of {BackupFailureDetected.event_name}; nothing retries it."
    )
    return [SendMessage(channel=DEFAULT_CHANNEL, text=text[:4000], audit=Audit(producer=BACKUP_ROUTER))]


def _page(failure: Failure) -> list[EventModel]:
    """The router itself failed for good: a person must know, since nobody decides about this event now."""
    text = (
        f"{failure.function} failed for good on {failure.event.name} {failure.event.id}: {failure.error[:600]}\n"
        f"nobody has decided about it; see the run {failure.run}"
    )
    return [SendMessage(channel=DEFAULT_CHANNEL, text=text, audit=Audit(producer=failure.function))]
