"""From a request and a look at the ledger to one move: policy, lifecycle and letters put together. Pure.

| verdict  | the incident                    | leaves with the move                                      |
|----------|---------------------------------|-----------------------------------------------------------|
| retry    | an act waits, charged           | answer, evidence                                          |
| pause    | an act waits                    | answer, evidence                                          |
| escalate | a person has it, queued         | answer, evidence, one alert                               |
| refuse   | barred by the rule; watched, if | answer, evidence, one alert when the rule is new and      |
|          | that passes by itself           | pages                                                     |
| join     | one request more, owner watches | answer, evidence                                          |

A first deadline, or an earlier one, leaves a timer too; a failure that makes a storm, or adds to it, word of that. A
dry run leaves its answer and its evidence, nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from joelclaw_healing.alerts import DIGEST_CHANNEL
from joelclaw_healing.incident import Act, Incident, Kind
from joelclaw_healing.lifecycle import asked, barred, escalated, next_decision_id, ordered, scheduled, watched
from joelclaw_healing.look import Look
from joelclaw_healing.move import Letter, Move, dumps
from joelclaw_router import replies
from joelclaw_router.advice.adviser import Consulted
from joelclaw_router.advice.question import Question, question_of
from joelclaw_router.facts import Bench, Facts, base_of, facts_of, payload_of
from joelclaw_router.failure import Advice, Decision, Failure
from joelclaw_router.holds import held_by
from joelclaw_router.policy import decide, is_target_set, order
from joelclaw_router.record import audit_of, outcome
from joelclaw_router.request import Request
from joelclaw_router.rulebook import Rulebook
from joelclaw_router.rules import Rule, Verdict

OVERDUE_MS = 300_000
"""An act so long past its time has lost the run that waited for it: whoever reports next sees to it."""
PASSING_MS = 5_000
"""What refused and passes by itself is looked at again this soon; then ever more seldom (the desk's affair)."""

__all__ = ["Bench", "choice", "judge", "judge_again", "judge_order", "outcome"]


def judge(bench: Bench, request: Request, look: Look, dice: float, heard: Consulted | None = None) -> Move:
    """The move that answers a request. dice: drawn for this judgement, 0 ≤ dice < 1. heard: what models said."""
    case = _Case(bench, request, look, dice, f"answer:{request.key}", answers=True, heard=heard)
    kind = request.adapter.classify(request.symptom)
    if is_target_set(request.target):
        return case.without_incident(Failure(request.domain, request.target, kind))
    return case.move(base_of(bench, request, look, kind))


def choice(bench: Bench, request: Request, look: Look) -> Question | None:
    """What a model may be asked about this request; None when the policy leaves no choice, or nothing to decide."""
    if request.dry_run or is_target_set(request.target):
        return None
    base = base_of(bench, request, look, request.adapter.classify(request.symptom))
    facts = facts_of(bench, request, look, base, reports=True)
    planned = decide(
        facts.failure, base, facts.budgets, now=look.now, policy=facts.policy, dice=0.0, around=facts.around
    )
    return question_of(
        facts.failure,
        planned,
        facts.policy,
        held_before=base.last_act == Kind.PAUSE.value,
        problem=request.problem,
        evidence=[f"{e.type}: {e.detail}" for e in request.evidence],
    )


def judge_again(bench: Bench, look: Look, base: Incident, dice: float, move: str, approved_by: str = "") -> Move:
    """The move that follows a hold, a silence, or what barred it: the same request, judged afresh. `base`: the incident
    as it is then, without an act."""
    request = Request.from_json(base.request)
    return _Case(bench, request, look, dice, move, answers=False, approved_by=approved_by).move(base)


def judge_order(bench: Bench, look: Look, found: Incident, actor: str, why: str, move: str) -> Move:
    """The move that a person's order makes: the incident's last request is retried now, or it is said why not."""
    case = _Case(bench, Request.from_json(found.request), look, 0.0, move, answers=False)
    return case.ordered(replace(found, act=None), actor, why)


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
    approved_by: str = ""

    def move(self, base: Incident) -> Move:
        facts = facts_of(self.bench, self.request, self.look, base, reports=self.answers, approved_by=self.approved_by)
        decision = decide(
            facts.failure,
            base,
            facts.budgets,
            now=self.look.now,
            policy=facts.policy,
            dice=self.dice,
            advice=self._advice(),
            around=facts.around,
        )
        known = base if not self.request.dry_run or self.look.incident else None
        told = self._told(known, decision, facts)
        audit = audit_of(self.request, base, facts, decision, self.dice, self._advice())
        if self.request.dry_run:
            return Move(self.id, outcome(decision, None, None), audit, letters=told, traceparent=self._trace)
        after, alerts = self._after(base, decision, facts)
        return Move(
            self.id,
            outcome(decision, after, self._waited_for(decision, after)),
            audit,
            before=self.look.incident,
            after=after,
            acts=decision.verdict in (Verdict.RETRY, Verdict.PAUSE),
            charges=self.bench.rules.charges(base.domain, base.target) if decision.verdict is Verdict.RETRY else (),
            letters=(*told, *alerts, *self._timers(base, after), *self._storm(base, facts)),
            traceparent=self._trace,
            scopes=facts.scopes,
            storm=facts.storm,
            outage=facts.outage,
        )

    def ordered(self, base: Incident, actor: str, why: str) -> Move:
        facts = facts_of(self.bench, self.request, self.look, base, reports=False)
        decision = order(facts.failure, base, facts.budgets, now=self.look.now, policy=facts.policy, actor=actor)
        audit = {
            **audit_of(self.request, base, facts, decision, self.dice, self._advice()),
            "ordered_by": actor,
            "why": why,
        }
        told = self._told(base, decision, facts)
        if decision.verdict is not Verdict.RETRY:  # a refused order changes nothing but the timeline
            found = self.look.incident
            return Move(self.id, outcome(decision, found, None), audit, found, found, letters=told)
        after = ordered(base, replace(self._act(base, decision, facts), ordered_by=actor))
        return Move(
            self.id,
            outcome(decision, after, self._waited_for(decision, after)),
            audit,
            before=self.look.incident,
            after=after,
            acts=True,
            charges=self.bench.rules.charges(base.domain, base.target),
            letters=told,
            traceparent=self._trace,
        )

    def without_incident(self, failure: Failure) -> Move:
        decision = Decision(Rule.TARGET_SET, f"the target {failure.target!r} names no single component")
        letters = self._told(None, decision, None)
        return Move(self.id, outcome(decision, None, None), {}, letters=letters, traceparent=self._trace)

    def _waited_for(self, decision: Decision, after: Incident) -> tuple[str, int] | None:
        """What this run sees to, and when: its own act, or one that is long overdue, since its own run must be lost."""
        act = after.act
        if act is None:
            return None
        overdue = self.look.now > act.due_ms + OVERDUE_MS and held_by(self.look, after) is None
        mine = decision.verdict in (Verdict.RETRY, Verdict.PAUSE)
        return (act.decision, act.due_ms) if mine or overdue else None

    def _advice(self) -> Advice | None:
        return self.heard.advice if self.heard and not self.heard.shadow else None

    @property
    def _trace(self) -> str:
        return self.request.traceparent

    def _after(self, base: Incident, decision: Decision, facts: Facts) -> tuple[Incident, tuple[Letter, ...]]:
        rule = decision.rule
        kept = base if decision.verdict is Verdict.JOIN else replace(base, request=self.request.to_json())
        match decision.verdict:
            case Verdict.RETRY | Verdict.PAUSE:
                return scheduled(kept, self._act(base, decision, facts)), ()
            case Verdict.ESCALATE:
                alerts = self._page(base, decision)
                if rule is Rule.APPROVAL:
                    after = asked(kept, until_ms=decision.due_ms, alerts=1)
                else:
                    after = escalated(kept, alerts=1)
                return repeated(after, alerts, self.bench.rules, self.look.now), alerts
            case Verdict.REFUSE:
                alerts = self._page(base, decision) if rule.alert and base.barred != str(rule) else ()
                after = barred(kept, str(rule), alerts=1 if alerts else 0)
                return watched(after, self.look.now + PASSING_MS) if rule.passes else after, alerts
            case Verdict.JOIN:
                return kept, ()

    def _page(self, base: Incident, decision: Decision) -> tuple[Letter, ...]:
        """A member of a storm that a person has already gets into the digest: one cause, one page."""
        channels = self.bench.rules.channels(base.owner)
        return replies.page(self.request, base, decision, channels, quiet=bool(self.look.storm))

    def _act(self, base: Incident, decision: Decision, facts: Facts) -> Act:
        id = next_decision_id(base)
        if decision.verdict is Verdict.PAUSE:
            return Act(id, Kind.PAUSE, decision.due_ms)
        payload = dumps(payload_of(self.request, decision, facts))
        return Act(id, Kind.RETRY, decision.due_ms, self.request.route, payload)

    def _told(self, base: Incident | None, decision: Decision, facts: Facts | None) -> tuple[Letter, ...]:
        proof = replies.evidence(
            self.id,
            self.request,
            decision,
            base,
            facts.failure if facts else None,
            facts.policy if facts else None,
            facts.budgets if facts else None,
            now=self.look.now,
            voice=self.bench.voice,
        )
        letters = (replies.answer(self.request, decision, base), proof) if self.answers else (proof,)
        if self.heard is None:
            return letters
        said = replies.consultation(self.id, self.request, self.heard, base, now=self.look.now, voice=self.bench.voice)
        return (*letters, said)

    def _timers(self, base: Incident, after: Incident) -> tuple[Letter, ...]:
        before = self.look.incident
        same = before is not None and before.id == base.id and before.deadline_ms == base.deadline_ms
        ahead = base.deadline_ms > self.look.now
        watch = after.watch and after.watch != (before.watch if before else "")
        return (
            *((replies.timer(base),) if ahead and not same else ()),
            *((replies.look_again(after),) if watch else ()),
        )

    def _storm(self, base: Incident, facts: Facts) -> tuple[Letter, ...]:
        """Word of a storm that no person has heard of yet."""
        known = self.look.storm or not facts.storm.rages_ms
        return () if known else (replies.storm_seen(self.id, base.group or base.domain),)


def repeated(after: Incident, pages: tuple[Letter, ...], rules: Rulebook, now: int) -> Incident:
    """The incident watched until its page is sent again, if it will be; what went into the digest is not."""
    at = rules.repeat_at(now, after.repeats)
    paged = any(json.loads(page.data)["channel"] != DIGEST_CHANNEL for page in pages)
    return watched(after, at) if at and paged else after
