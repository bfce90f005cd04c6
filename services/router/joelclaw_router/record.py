"""What is kept of a judgement: the audit line that it can be made again from, and the outcome that a run gets again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joelclaw_healing.incident import Incident
from joelclaw_healing.move import flat
from joelclaw_router.facts import Facts
from joelclaw_router.failure import Advice, Decision
from joelclaw_router.request import Request
from joelclaw_router.rules import Rule


def audit_of(
    request: Request, base: Incident, facts: Facts, decision: Decision, dice: float, advice: Advice | None
) -> Mapping[str, Any]:
    """Input, rule, budget before: enough to decide the same again."""
    return {
        "what": decision.verdict.value,
        "request": {
            "event": request.event,
            "id": request.id,
            "from": request.source_function,
            "by": request.requested_by,
            "wish": flat(request.wish),
        },
        "failure": facts.failure.to_json(),
        "incident": {
            "state": base.state.value,
            "attempt": base.attempt,
            "holds": base.holds,
            "last_act": base.last_act,
            "act_due_ms": base.act.due_ms if base.act else 0,
            "first_failure_ms": base.first_failure_ms,
        },
        "policy": flat(facts.policy),
        "budgets": flat(facts.budgets),
        "around": facts.around.to_json(),
        "dice": dice,
        "advice": flat(advice) if advice else None,
        "decision": decision.to_json(),
    }


def outcome(decision: Decision, incident: Incident | None, waits: tuple[str, int] | None) -> dict[str, Any]:
    """What a run needs to know of a move, and gets again after a crash. `waits`: what it has to wait for, and until
    when; or an approval."""
    told: dict[str, Any] = {
        "verdict": decision.verdict.value,
        "rule": str(decision.rule),
        "status": decision.status,
        "incident": incident.id if incident else "",
        "act": {"decision": waits[0], "due_ms": waits[1]} if waits is not None else None,
    }
    asks = decision.rule in (Rule.APPROVAL, Rule.SELF_APPROVAL) and decision.delay_ms > 0
    if asks and incident is not None and incident.approval:
        told["approval"] = {"id": incident.approval, "wait_ms": decision.delay_ms}
    return told
