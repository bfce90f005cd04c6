"""From a request and a look at the ledger to one move: policy, lifecycle and letters put together. Pure.

| verdict  | the incident                   | leaves with the move                                       |
|----------|--------------------------------|------------------------------------------------------------|
| retry    | an act waits, charged          | answer, evidence                                           |
| pause    | an act waits                   | answer, evidence                                           |
| escalate | a person has it, queued        | answer, evidence, one alert                                |
| refuse   | barred by the rule             | answer, evidence, one alert when the rule is new and pages |
| join     | one request more, owner watches | answer, evidence                                          |

A first deadline, or an earlier one, leaves a timer too. A dry run leaves its answer and its evidence, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from joelclaw_contracts import BackupFailureDetected
from joelclaw_healing.evidence import Voice
from joelclaw_healing.incident import Act, Incident, Kind
from joelclaw_healing.ledger import Look
from joelclaw_healing.lifecycle import barred, escalated, next_decision_id, reported, scheduled
from joelclaw_healing.move import Letter, Move, dumps, retries_per_day
from joelclaw_router import replies
from joelclaw_router.advice.adviser import Consulted
from joelclaw_router.advice.question import Question, question_of
from joelclaw_router.failure import Advice, Budgets, Decision, Failure, Policy
from joelclaw_router.policy import decide, is_target_set
from joelclaw_router.request import Request
from joelclaw_router.route import trouble_of
from joelclaw_router.rulebook import Rulebook
from joelclaw_router.rules import Rule, Verdict

OVERDUE_MS = 300_000
"""An act so long past its time has lost the run that waited for it: whoever reports next sees to it."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What every judgement needs beside the case: the rules in force and who speaks."""

    rules: Rulebook
    voice: Voice


def judge(bench: Bench, request: Request, look: Look, dice: float, heard: Consulted | None = None) -> Move:
    """The move that answers a request. dice: drawn for this judgement, 0 ≤ dice < 1. heard: what models said."""
    case = _Case(bench, request, look, dice, f"answer:{request.key}", answers=True, heard=heard)
    kind = request.adapter.classify(request.symptom)
    if is_target_set(request.target):
        nobody = Failure(request.domain, request.target, kind)
        return case.without_incident(nobody, None)
    base = reported(look.incident, request.report(look.now, kind.value), look.now)
    return case.move(base)


def choice(bench: Bench, request: Request, look: Look) -> Question | None:
    """What a model may be asked about this request; None when the policy leaves no choice, or nothing to decide."""
    if request.dry_run or is_target_set(request.target):
        return None
    case = _Case(bench, request, look, 0.0, "", answers=True)
    kind = request.adapter.classify(request.symptom)
    base = reported(look.incident, request.report(look.now, kind.value), look.now)
    policy, failure, budgets = case.facts(base)
    planned = decide(failure, base, budgets, now=look.now, policy=policy, dice=0.0)
    return question_of(
        failure,
        planned,
        policy,
        held_before=base.last_act == Kind.PAUSE.value,
        problem=request.problem,
        evidence=[f"{e.type}: {e.detail}" for e in request.evidence],
    )


def judge_again(bench: Bench, look: Look, held: Incident, dice: float, move: str) -> Move:
    """The move that follows a hold: the same request, judged afresh. `held`: the incident with its hold served."""
    return _Case(bench, Request.from_json(held.request), look, dice, move, answers=False).move(held)


@dataclass(frozen=True, slots=True)
class _Case:
    """One judgement: what it is about, and the id of the move that it makes."""

    bench: Bench
    request: Request
    look: Look
    dice: float
    id: str
    answers: bool
    heard: Consulted | None = None

    def facts(self, base: Incident) -> tuple[Policy, Failure, Budgets]:
        """What the policy judges by, beside the incident."""
        policy = self.bench.rules.policy(self.request.domain, self.request.wish, self.look.switch)
        return policy, self._failure(base, policy), Budgets(self.look.spent[0] if self.look.spent else 0)

    def move(self, base: Incident) -> Move:
        policy, failure, budgets = self.facts(base)
        decision = decide(
            failure, base, budgets, now=self.look.now, policy=policy, dice=self.dice, advice=self._advice()
        )
        audit = self._audit(base, failure, policy, budgets, decision)
        known = base if not self.request.dry_run or self.look.incident else None
        told = self._told(known, decision, failure, policy, budgets)
        if self.request.dry_run:
            return Move(self.id, outcome(decision, None, None), audit, letters=told, traceparent=self._trace)
        after, alerts = self._after(base, decision, policy)
        acts = decision.verdict in (Verdict.RETRY, Verdict.PAUSE)
        charge = retries_per_day(f"{base.domain}\0{base.target}", self.bench.rules.retries_per_day)
        return Move(
            self.id,
            outcome(decision, after, self._waited_for(decision, after)),
            audit,
            before=self.look.incident,
            after=after,
            acts=acts,
            charges=(charge,) if decision.verdict is Verdict.RETRY else (),
            letters=(*told, *alerts, *self._timer(base)),
            traceparent=self._trace,
        )

    def without_incident(self, failure: Failure, policy: Policy | None) -> Move:
        decision = Decision(Rule.TARGET_SET, f"the target {failure.target!r} names no single component")
        letters = self._told(None, decision, failure, policy, None)
        return Move(self.id, outcome(decision, None, None), {}, letters=letters, traceparent=self._trace)

    def _waited_for(self, decision: Decision, after: Incident) -> Act | None:
        """The act that this run sees to: its own, or one that is long overdue, since its own run must be lost."""
        act = after.act
        if act is None or decision.verdict in (Verdict.RETRY, Verdict.PAUSE):
            return act
        overdue = self.look.now > act.due_ms + OVERDUE_MS and self.look.switch is None
        return act if overdue else None

    def _advice(self) -> Advice | None:
        return self.heard.advice if self.heard and not self.heard.shadow else None

    @property
    def _trace(self) -> str:
        return self.request.traceparent

    def _failure(self, base: Incident, policy: Policy) -> Failure:
        request = self.request
        trial = self._payload(base, Decision(Rule.RETRY, "within the budget"), policy)
        trouble = trouble_of(request.route, trial, self.bench.rules)
        hours = request.data.retry_window_hours if isinstance(request.data, BackupFailureDetected) else None
        window = self.bench.rules.window_ms(base.domain, hours)
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
        )

    def _after(self, base: Incident, decision: Decision, policy: Policy) -> tuple[Incident, tuple[Letter, ...]]:
        rules, rule = self.bench.rules, decision.rule
        kept = base if decision.verdict is Verdict.JOIN else replace(base, request=self.request.to_json())
        match decision.verdict:
            case Verdict.RETRY | Verdict.PAUSE:
                return scheduled(kept, self._act(base, decision, policy)), ()
            case Verdict.ESCALATE:
                alerts = replies.page(self.request, base, decision, rules.channels(base.owner))
                return escalated(kept, alerts=1), alerts
            case Verdict.REFUSE:
                alerts = ()
                if rule.alert and base.barred != str(rule):
                    alerts = replies.page(self.request, base, decision, rules.channels(base.owner))
                return barred(kept, str(rule), alerts=1 if alerts else 0), alerts
            case Verdict.JOIN:
                return kept, ()

    def _act(self, base: Incident, decision: Decision, policy: Policy) -> Act:
        id = next_decision_id(base)
        if decision.verdict is Verdict.PAUSE:
            return Act(id, Kind.PAUSE, decision.due_ms)
        payload = dumps(self._payload(base, decision, policy))
        return Act(id, Kind.RETRY, decision.due_ms, self.request.route, payload)

    def _payload(self, base: Incident, decision: Decision, policy: Policy) -> Mapping[str, Any]:
        return self.request.retry_wire(
            incident=base.id,
            attempt=base.attempt,
            first_failure=replies.iso(base.first_failure_ms),
            policy=replies.retry_policy(policy),
            decision=replies.retry_decision(decision, self.request.route),
        )

    def _told(
        self,
        base: Incident | None,
        decision: Decision,
        failure: Failure,
        policy: Policy | None,
        budgets: Budgets | None,
    ) -> tuple[Letter, ...]:
        proof = replies.evidence(
            self.id,
            self.request,
            decision,
            base,
            failure,
            policy,
            budgets,
            now=self.look.now,
            voice=self.bench.voice,
        )
        letters = (replies.answer(self.request, decision, base), proof) if self.answers else (proof,)
        if self.heard is None:
            return letters
        said = replies.consultation(self.id, self.request, self.heard, base, now=self.look.now, voice=self.bench.voice)
        return (*letters, said)

    def _timer(self, base: Incident) -> tuple[Letter, ...]:
        before = self.look.incident
        same = before is not None and before.id == base.id and before.deadline_ms == base.deadline_ms
        ahead = base.deadline_ms > self.look.now
        return (replies.timer(base),) if ahead and not same else ()

    def _audit(
        self, base: Incident, failure: Failure, policy: Policy, budgets: Budgets, decision: Decision
    ) -> Mapping[str, Any]:
        """Input, rule, budget before: enough to decide the same again."""
        request = self.request
        return {
            "what": decision.verdict.value,
            "request": {
                "event": request.event,
                "id": request.id,
                "from": request.source_function,
                "by": request.requested_by,
                "wish": asdict(request.wish),
            },
            "failure": failure.to_json(),
            "incident": {
                "state": base.state.value,
                "attempt": base.attempt,
                "holds": base.holds,
                "last_act": base.last_act,
                "act_due_ms": base.act.due_ms if base.act else 0,
                "first_failure_ms": base.first_failure_ms,
            },
            "policy": {name: getattr(policy, name) for name in Policy.__slots__},
            "budgets": {"retries_today": budgets.retries_today},
            "dice": self.dice,
            "advice": asdict(advice) if (advice := self._advice()) else None,
            "decision": decision.to_json(),
        }


def outcome(decision: Decision, incident: Incident | None, act: Act | None) -> dict[str, Any]:
    """What a run needs to know of a move, and gets again after a crash. `act`: what it has to wait for."""
    return {
        "verdict": decision.verdict.value,
        "rule": str(decision.rule),
        "status": decision.status,
        "incident": incident.id if incident else "",
        "act": {"decision": act.decision, "due_ms": act.due_ms} if act is not None else None,
    }
