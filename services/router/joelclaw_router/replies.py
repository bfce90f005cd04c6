"""What the router says to others: the answer to a request, the evidence of a rule, the alert to a person, the retry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from joelclaw_contracts import BackupFailureDetected, HealingCompleted, RetryDecision, RetryPolicy
from joelclaw_healing.alerts import DIGEST_CHANNEL, AlertText, alert
from joelclaw_healing.evidence import Voice, evidence_summary
from joelclaw_healing.incident import Incident
from joelclaw_healing.move import Letter
from joelclaw_router.advice.adviser import MODEL_ADVISED, Consulted
from joelclaw_router.events import IncidentDue, StormDue, StormSeen
from joelclaw_router.failure import Budgets, Decision, Failure, Policy
from joelclaw_router.request import HEALING_ROUTER, Request
from joelclaw_router.rules import Verdict

ACTIONS = {Verdict.RETRY: "retry", Verdict.PAUSE: "pause", Verdict.ESCALATE: "escalate"}
CARRIED_BYTES = 128 * 1024
"""So much of the request's own context, evidence and playbook travels back in an answer."""


def answer(request: Request, decision: Decision, incident: Incident | None) -> Letter:
    """The one answer to a request, keyed by its id."""
    waits = decision.due_ms > 0  # an approval that is asked for has no next attempt yet, but an end
    action = ACTIONS.get(decision.verdict)
    fields: dict[str, Any] = {
        "domain": request.domain,
        "status": "detected" if request.dry_run else decision.status,
        "detected": 1,
        "inspected": 1,
        "incident_id": incident.id if incident else None,
        "event_id": request.id,
        "source_function": request.source_function,
        "target_component": request.target or None,
        "action": action,
        "attempt": decision.attempt,
        "next_attempt": decision.next_attempt if waits else None,
        "reason": decision.reason,
        "rule": str(decision.rule),
        "delay_ms": decision.delay_ms if waits and action else None,
        "due_at": iso(decision.due_ms) if waits else None,
        "route_to_event_name": request.route or None,
        "route_to_function": request.route_function or None,
        "confidence": decision.confidence,
        "model": decision.model,
        "owner": incident.owner or None if incident else None,
        "dry_run": True if request.dry_run else None,
    }
    carried = {"evidence": request.evidence or None, "playbook": _playbook(request), "context": request.data.context}
    event = _completed({**fields, **carried})
    data = event.to_json()
    if len(data) > CARRIED_BYTES:
        data = _completed(fields).to_json()
    return Letter(HealingCompleted.event_name, f"answer:{request.key}", data.decode())


def retry_decision(decision: Decision, route: str) -> RetryDecision:
    action = ACTIONS.get(decision.verdict, "retry")
    return RetryDecision.model_validate(
        {
            "action": action,
            "delay_ms": decision.delay_ms,
            "reason": decision.reason,
            "confidence": decision.confidence,
            "model": decision.model,
            "route_to": route or None,
        }
    )


def retry_policy(policy: Policy) -> RetryPolicy:
    return RetryPolicy(
        max_retries=policy.max_retries,
        sleep_min_ms=policy.sleep_min_ms,
        sleep_max_ms=policy.sleep_max_ms,
        sleep_step_ms=policy.sleep_step_ms,
    )


def evidence(
    id: str,
    request: Request | None,
    decision: Decision,
    incident: Incident | None,
    failure: Failure | None,
    policy: Policy | None,
    budgets: Budgets | None,
    *,
    now: int,
    voice: Voice,
) -> Letter:
    """The one evidence event of the rule that decided. Only what pages is no success (CONTRACT 8)."""
    function = request.function if request else HEALING_ROUTER
    metadata: dict[str, Any] = {
        "rule": str(decision.rule),
        "verdict": decision.verdict.value,
        "status": decision.status,
        "reason": decision.reason,
        "model": decision.model,
        "confidence": decision.confidence,
        "attempt": decision.attempt,
        "nextAttempt": decision.next_attempt,
        "delayMs": decision.delay_ms,
        "dueAt": iso(decision.due_ms) if decision.due_ms else None,
        "incidentId": incident.id if incident else None,
    }
    if request is not None:
        metadata |= _about(request, incident, decision)
    if failure is not None:
        metadata |= {"failureClass": failure.kind.value, "routeTo": failure.route or None}
    if policy is not None and budgets is not None:
        metadata["budget"] = {
            "maxRetries": policy.max_retries,
            "retriesToday": budgets.retries_today,
            "retriesPerDay": policy.retries_per_day,
            "retriesOfAll": budgets.retries_of_all,
            "allRetriesPerHour": policy.all_retries_per_hour,
        }
        metadata["configHash"] = policy.config_hash
    pages = decision.rule.alert and not (request is not None and request.dry_run)
    return voice.evidence(
        id,
        at_ms=now,
        component=function,
        action=function.replace("/", "."),
        metadata={key: value for key, value in metadata.items() if value is not None},
        level="error" if pages else ("warn" if decision.verdict is Verdict.REFUSE else "info"),
        success=not pages,
        error=decision.reason if pages else "",
    )


def consultation(
    id: str, request: Request, heard: Consulted, incident: Incident | None, *, now: int, voice: Voice
) -> Letter:
    """The one evidence event of asking models: who was asked, what it cost, whether it agreed with the policy."""
    said = heard.advice
    metadata: dict[str, Any] = {
        "rule": heard.rule,
        "incidentId": incident.id if incident else None,
        "eventId": request.id,
        "planned": heard.planned,
        "advised": said.action if said else None,
        "agrees": heard.agrees,
        "shadow": heard.shadow,
        "model": said.model if said else None,
        "confidence": said.confidence if said else None,
        "tried": [f"{model}: {what}" for model, what in heard.tried],
        "latencyMs": heard.milliseconds,
        "tokensIn": heard.tokens_in,
        "tokensOut": heard.tokens_out,
    }
    return voice.evidence(
        f"consulted:{id}",
        at_ms=now,
        component=request.function,
        action=f"{request.function.replace('/', '.')}.model",
        metadata={key: value for key, value in metadata.items() if value is not None},
        level="info" if heard.rule == MODEL_ADVISED else "warn",
    )


def page(
    request: Request, incident: Incident, decision: Decision, channels: Sequence[str], *, quiet: bool = False
) -> tuple[Letter, ...]:
    """The one alert of a transition. `incident`: with its counts as they were before this move. quiet: a person has its
    cause already."""
    escalates = decision.verdict is Verdict.ESCALATE
    digest = (quiet or (escalates and incident.fallback == "manual")) and not request.is_critical
    book = request.playbook
    text = AlertText(
        "A person is needed" if escalates else "Blocked",
        f"{decision.rule}: {decision.reason}",
        (
            ("retries with", (request.route,) if request.route else ()),
            ("run by", (request.route_function,) if request.route_function else ()),
            ("asked because", (reason,) if (reason := getattr(request.data, "reason", None)) else ()),
            ("actions", book.actions),
            ("notify", book.notify),
            ("skills", book.skills),
            ("runbooks", book.runbooks),
            ("links", book.links),
        ),
    )
    transition = "escalated" if escalates else "blocked"
    where = (DIGEST_CHANNEL,) if digest else channels
    return alert(incident, transition, text, channels=where, producer=request.function)


def timer(incident: Incident) -> Letter:
    """The durable timer of a deadline."""
    event = IncidentDue(incident_id=incident.id, deadline_ms=incident.deadline_ms)
    id = f"deadline:{incident.id}:{incident.deadline_ms}"
    return Letter(IncidentDue.event_name, id, event.to_json().decode(), at_ms=incident.deadline_ms)


def look_again(incident: Incident) -> Letter:
    """The durable timer of a watch."""
    event = IncidentDue(incident_id=incident.id, decision=incident.watch)
    return Letter(IncidentDue.event_name, incident.watch, event.to_json().decode(), at_ms=incident.watch_ms)


def storm_due(storm: Incident) -> Letter:
    """The durable timer of a storm's watch."""
    event = StormDue(incident_id=storm.id, group=storm.target, watch=storm.watch)
    return Letter(StormDue.event_name, storm.watch, event.to_json().decode(), at_ms=storm.watch_ms)


def storm_seen(id: str, group: str) -> Letter:
    """Word of a storm, for whoever opens its incident."""
    return Letter(StormSeen.event_name, f"storm:{id}", StormSeen(group=group).to_json().decode())


def iso(ms: int) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def _completed(fields: dict[str, Any]) -> HealingCompleted:
    return HealingCompleted(**{key: value for key, value in fields.items() if value is not None})


def _playbook(request: Request) -> Any:
    return request.playbook if request.playbook.model_fields_set else None


def _about(request: Request, incident: Incident | None, decision: Decision) -> dict[str, Any]:
    about: dict[str, Any] = {
        "domain": request.domain,
        "target": request.target,
        "sourceFunction": request.source_function,
        "eventId": request.id,
        "dryRun": request.dry_run or None,
        "evidence": evidence_summary(request.evidence),
        "runContext": request.run_context(incident.id if incident else request.key, decision.attempt).to_wire(),
    }
    if isinstance(request.data, BackupFailureDetected):
        about["transportMode"] = request.data.transport_mode
        about["transportAttempts"] = request.data.transport_attempts
    return about
