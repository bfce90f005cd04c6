"""What others are told: the one answer, the evidence before and after, and the failure of the healer itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joelclaw_bus import Failure
from joelclaw_contracts import Audit, EventModel, HealingCompleted, Level, OtelEvent, SendMessage, Status
from joelclaw_healing import Seen, Voice
from joelclaw_healing.alerts import DEFAULT_CHANNEL
from joelclaw_runtime_remediator.request import RUNTIME_DOMAIN, SDK_DOMAIN, Request
from joelclaw_runtime_remediator.sample import Sample

HEALTH_ACTION = "system.self-healing.inngest-runtime.health"
SDK_ACTION = "system.self-healing.sdk-reachability"


def answer(
    request: Request,
    domain: str,
    status: Status,
    *,
    rule: str,
    reason: str,
    detected: int,
    inspected: int,
    detail: str | None = None,
    samples: Sequence[str] = (),
) -> HealingCompleted:
    """The answer to a request, keyed by its event's id. What the requester said of owner, context and playbook is
    carried back."""
    asked = request.requested
    return HealingCompleted(
        domain=domain,
        status=status,
        detected=detected,
        inspected=inspected,
        event_id=request.event_id,
        source_function=request.source_function,
        target_component=request.target_component,
        attempt=asked.attempt if asked else None,
        reason=reason or rule,
        rule=rule,
        playbook=asked.playbook if asked else None,
        owner=asked.owner if asked else None,
        context=asked.context if asked else None,
        dry_run=request.dry_run or None,
        remediation_detail=detail,
        sample_run_ids=tuple(samples) or None,
    )


def evidence(
    voice: Voice,
    id: str,
    action: str,
    component: str,
    metadata: Mapping[str, Any],
    at_ms: int,
    *,
    level: Level = "info",
    error: str = "",
) -> OtelEvent:
    """One record; an error is one that should page."""
    return OtelEvent(
        id=f"evidence:{id}",
        timestamp=at_ms,
        session_id=voice.session_id,
        system_id=voice.system_id,
        level=level,
        source=voice.source,
        component=component,
        action=action,
        success=level != "error",
        error=error or None,
        metadata=dict(metadata),
    )


def health_evidence(
    voice: Voice,
    id: str,
    phase: str,
    sample: Sample,
    request: Request,
    told: Mapping[str, Any],
    *,
    failed: bool = False,
) -> OtelEvent:
    """Before and after: what was seen, and the rule that followed from it."""
    metadata = {
        "phase": phase,
        **told,
        "seen": sample.seen.value,
        "detail": sample.detail,
        "process": sample.process,
        "http": sample.http,
        "identity": sample.identity or None,
        "fence": sample.fence,
        "activeRuns": sample.active_runs,
        "eventId": request.event_id,
        "requestedBy": request.forced_by or request.source_function,
    }
    level: Level = "error" if failed else "info" if sample.seen is Seen.OK else "warn"
    return evidence(
        voice, id, HEALTH_ACTION, "runtime", metadata, sample.at_ms, level=level, error=sample.detail if failed else ""
    )


def on_failure(failure: Failure) -> list[EventModel]:
    """The healer itself failed for good: whoever asked is answered, and a person hears of it."""
    text = f"{failure.function} failed for good on {failure.event.name} {failure.event.id}: {failure.error[:600]}"
    told: list[EventModel] = [SendMessage(channel=DEFAULT_CHANNEL, text=text, audit=Audit(producer=failure.function))]
    request = Request.of(failure.event)
    if request.answers:
        domain = SDK_DOMAIN if failure.function.endswith("investigator") else RUNTIME_DOMAIN
        reason = f"the healer itself failed: {failure.error[:600]}"
        told.append(answer(request, domain, "detected", rule="healer-failed", reason=reason, detected=0, inspected=0))
    return told
