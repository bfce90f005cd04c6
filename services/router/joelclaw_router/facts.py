"""What the policy judges by, gathered from a request, a look at the ledger and the rules in force. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joelclaw_contracts import BackupFailureDetected
from joelclaw_healing.evidence import Voice
from joelclaw_healing.incident import Incident
from joelclaw_healing.lifecycle import Report, reported
from joelclaw_healing.look import Look
from joelclaw_healing.move import Storm
from joelclaw_healing.pause_reasons import covering, scopes_of
from joelclaw_router import replies
from joelclaw_router.failure import Budgets, Decision, Failure, FailureClass, Policy, Surroundings
from joelclaw_router.request import Request
from joelclaw_router.route import trouble_of
from joelclaw_router.rulebook import Rulebook
from joelclaw_router.rules import Rule


@dataclass(frozen=True, slots=True)
class Bench:
    """What every judgement needs beside the case: the rules in force and who speaks."""

    rules: Rulebook
    voice: Voice


@dataclass(frozen=True, slots=True)
class Facts:
    """`scopes`: what a pause reason covers it by. `storm`: how failures that come together bear on the move. `trial`:
    what a retry would send, but for the decision that it is made by."""

    policy: Policy
    failure: Failure
    budgets: Budgets
    around: Surroundings
    scopes: tuple[str, ...]
    storm: Storm
    outage: bool
    trial: Mapping[str, Any]


def base_of(bench: Bench, request: Request, look: Look, kind: FailureClass) -> Incident:
    """The incident that the request is about, as it is once the request is counted."""
    return reported(look.incident, report_of(bench, request, look, kind), look.now)


def report_of(bench: Bench, request: Request, look: Look, kind: FailureClass) -> Report:
    domain, target = request.domain, request.target
    rules = bench.rules
    return request.report(
        look.now, kind.value, group=rules.group(domain, target), appointed=rules.owner(domain, target)
    )


def facts_of(
    bench: Bench, request: Request, look: Look, base: Incident, *, reports: bool, approved_by: str = ""
) -> Facts:
    """reports: a failure is reported now; else an incident is judged again. approved_by: who allowed its retry."""
    rules = bench.rules
    policy = rules.policy(base.domain, request.wish, look.switch, base.target)
    group = base.group or rules.group(base.domain, base.target)
    scopes = scopes_of(base.domain, base.target, group)
    pause = covering(look.pauses, scopes)
    trial = _trial(request, base, policy)
    fresh = reports and (look.incident is None or look.incident.is_over)
    since = look.now - policy.flap_long_window_ms
    failing = look.failing if reports else 0
    until = look.storms.get(group, 0)
    together = until > look.now or (policy.storm_targets > 0 and failing + 1 >= policy.storm_targets)
    return Facts(
        policy,
        _failure(bench, request, base, trial, group, approved_by),
        Budgets(*look.spent[:2]),
        Surroundings(
            paused=pause.text if pause else "",
            blind=look.blind,
            failing=failing,
            storm_until_ms=until,
            storms=len(look.storms),
            outages=(*(at for at in look.outages if at > since), *((look.now,) if fresh else ())),
        ),
        scopes,
        Storm(
            limit=policy.storm_targets if reports else 0,
            window_ms=policy.storm_window_ms if reports else 0,
            failed=reports,
            rages_ms=policy.storm_cool_down_ms if reports and together else 0,
        ),
        outage=fresh,
        trial=trial,
    )


def payload_of(request: Request, decision: Decision, facts: Facts) -> Mapping[str, Any]:
    """The data of the event that a retry sends: what was tried on the route's model, with the decision in its place."""
    return {**facts.trial, "decision": replies.retry_decision(decision, request.route).to_wire()}


def _trial(request: Request, base: Incident, policy: Policy) -> Mapping[str, Any]:
    return request.retry_wire(
        incident=base.id,
        attempt=base.attempt,
        first_failure=replies.iso(base.first_failure_ms),
        policy=replies.retry_policy(policy),
        decision=replies.retry_decision(Decision(Rule.RETRY, "within the budget"), request.route),
    )


def _failure(
    bench: Bench, request: Request, base: Incident, trial: Mapping[str, Any], group: str, approved_by: str
) -> Failure:
    trouble = trouble_of(request.route, trial, bench.rules)
    hours = request.data.retry_window_hours if isinstance(request.data, BackupFailureDetected) else None
    window = bench.rules.window_ms(base.domain, hours)
    return Failure(
        domain=base.domain,
        target=base.target,
        kind=request.adapter.classify(request.symptom),
        deadline_ms=base.deadline_ms,
        window_end_ms=base.first_failure_ms + window if window else 0,
        defer=bool(request.playbook.defer),
        route=request.route,
        route_trouble=trouble[0] if trouble else None,
        route_detail=trouble[1] if trouble else "",
        group=group,
        approved_by=approved_by,
    )
