"""The desk: where a case is looked up, judged, and recorded; and looked at again when its time has come.

Every method is one step of a run: it can be repeated after a crash at any point and says the same again, because each
move has an id and is made once. Losing a race means looking and judging again, never acting on what was.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from joelclaw_healing.closing import close_incident
from joelclaw_healing.errors import IncidentContested, IncidentUnknown
from joelclaw_healing.incident import Act, Incident, Kind, State
from joelclaw_healing.ledger import Ledger, Look
from joelclaw_healing.lifecycle import escalated, served
from joelclaw_healing.move import Letter, Made, Move, retries_per_day
from joelclaw_router import replies
from joelclaw_router.adapters import adapter_of
from joelclaw_router.advice.adviser import Adviser, Consulted
from joelclaw_router.failure import Decision
from joelclaw_router.judgement import Bench, choice, judge, judge_again, outcome
from joelclaw_router.request import BACKUP, Request
from joelclaw_router.rules import Rule

LOOKS = 20
"""So often a move that lost its race is judged again; then the run fails, and is tried again later."""
CHECK_FIRST_MS = 5_000
CHECK_LAST_MS = 60_000
"""While the kill switch is on, what is due is looked at again after 5 s, 10 s … 60 s, spread by chance."""

Outcome = dict[str, Any]
Said = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Desk:
    """dice: 0 ≤ dice() < 1; drawn inside the step that records what it decided. advisers: who may advise, per domain
    ('' all others)."""

    ledger: Ledger
    bench: Bench
    dice: Callable[[], float] = random.random
    advisers: Mapping[str, Adviser] = field(default_factory=dict)

    def adviser(self, domain: str) -> Adviser | None:
        return self.advisers.get(BACKUP if domain == BACKUP else "")

    async def consult(self, request: Request) -> Said:
        """Asks the models about a request, once: what they said, as JSON; empty when there was nothing to choose."""
        adviser = self.adviser(request.domain)
        charge = retries_per_day(f"{request.domain}\0{request.target}", self.bench.rules.retries_per_day)
        look = await self.ledger.look(request.domain, request.target, move=f"answer:{request.key}", charges=(charge,))
        question = choice(self.bench, request, look) if look.earlier is None else None
        if adviser is None or question is None:
            return {}
        return (await adviser.consult(question)).to_json()

    async def decide(self, request: Request, said: Said | None = None) -> Outcome:
        """Answers a request: one move, one outcome, however often it is asked. said: by `consult`. IncidentContested,
        store errors."""
        heard = Consulted.from_json(said) if said else None
        charge = retries_per_day(f"{request.domain}\0{request.target}", self.bench.rules.retries_per_day)
        for _ in range(LOOKS):
            move_id = f"answer:{request.key}"
            look = await self.ledger.look(request.domain, request.target, move=move_id, charges=(charge,))
            if look.earlier is not None:
                return look.earlier
            made = await self.ledger.make(look, judge(self.bench, request, look, self.dice(), heard))
            if isinstance(made, Made):
                return made.outcome
        raise IncidentContested(f"{request.domain}/{request.target}", LOOKS)

    async def due(self, incident: str, decision: str, check: int = 0) -> Outcome:
        """An act's time has come: hand it over, or judge again after a hold, or wait while the kill switch is on.

        `check` counts the looks so far. The outcome's `act` says what to wait for next, if anything.
        """
        move_id = f"due:{decision}"
        for _ in range(LOOKS):
            look = await self.ledger.look_at(incident, move=move_id)
            if look.earlier is not None:
                return look.earlier
            found, act = look.incident, look.incident.act if look.incident else None
            if found is None or act is None or act.decision != decision:
                return _nothing(incident)
            if look.now < act.due_ms:
                return _waiting(incident, act.decision, act.due_ms)
            if look.switch is not None:
                await self._note_held(look, found, act)
                return _waiting(incident, act.decision, look.now + self._pause_ms(check))
            move = await self._due_move(look, found, act, move_id)
            made = await self.ledger.make(move[0], move[1])
            if isinstance(made, Made):
                return made.outcome
        raise IncidentContested(incident, LOOKS)

    async def deadline(self, incident: str, deadline_ms: int) -> Outcome:
        """A deadline is reached: what is unresolved goes to a person."""
        move_id = f"deadline:{incident}:{deadline_ms}"
        for _ in range(LOOKS):
            look = await self.ledger.look_at(incident, move=move_id)
            if look.earlier is not None:
                return look.earlier
            found = look.incident
            if found is None or found.state is not State.OPEN or found.deadline_ms != deadline_ms:
                return _nothing(incident)
            made = await self.ledger.make(look, self._escalation(look, found, move_id, Rule.DEADLINE_TIMER))
            if isinstance(made, Made):
                return made.outcome
        raise IncidentContested(incident, LOOKS)

    async def observed_end(self, incident: str, domain: str, target: str, by: str, detail: str) -> bool:
        """Another system's observer says that it is over; its event was the closing, so none is sent.

        It must name what it saw: an incident's id alone stands in every answer, and proves nothing.
        """
        try:
            look = await self.ledger.look_at(incident)
            found = look.incident
            if found is None or (found.domain, found.target) != (domain, adapter_of(domain).target(target)):
                return False
            owner = found.owner
            channels = self.bench.rules.channels(owner)
            return await close_incident(
                self.ledger, incident, by=by, detail=detail, voice=self.bench.voice, channels=channels, announce=False
            )
        except IncidentUnknown:
            return False  # somebody else's incident, or one long forgotten

    async def _due_move(self, look: Look, found: Incident, act: Act, move_id: str) -> tuple[Look, Move]:
        if found.deadline_ms and look.now > found.deadline_ms:
            return look, self._escalation(look, found, move_id, Rule.DEADLINE_PAST)
        if act.kind is Kind.RETRY:
            return look, self._hand_over(look, found, act, move_id)
        charge = retries_per_day(f"{found.domain}\0{found.target}", self.bench.rules.retries_per_day)
        look = await self.ledger.look_at(found.id, move=move_id, charges=(charge,))
        # If it moved between the two looks, the move is refused and all is looked at again.
        return look, judge_again(self.bench, replace(look, incident=found), served(found), self.dice(), move_id)

    def _hand_over(self, look: Look, found: Incident, act: Act, move_id: str) -> Move:
        after = served(found)
        decision = Decision(
            Rule.HANDED_OVER, f"attempt {after.attempt} goes to {act.route}", found.attempt, after.attempt
        )
        request = Request.from_json(found.request)
        route = Letter(act.route, act.decision, act.payload)
        return Move(
            move_id,
            outcome(decision, after, None),
            {"what": "handed over", "decision": act.decision, "route": act.route, "attempt": after.attempt},
            found,
            after,
            acts=True,
            letters=(route, self._proof(look, found, decision, move_id, request)),
            traceparent=request.traceparent,
        )

    def _escalation(self, look: Look, found: Incident, move_id: str, rule: Rule) -> Move:
        decision = Decision(rule, f"unresolved at the deadline {replies.iso(found.deadline_ms)}", found.attempt)
        request = Request.from_json(found.request) if found.request else None  # none: nothing was decided yet
        channels = self.bench.rules.channels(found.owner)
        pages = replies.page(request, found, decision, channels) if request is not None else ()
        proof = self._proof(look, found, decision, move_id, request)
        return Move(
            move_id,
            outcome(decision, found, None),
            {"what": "escalate", "decision": decision.to_json()},
            found,
            escalated(found, alerts=1 if pages else 0),
            letters=(*pages, proof),
            traceparent=request.traceparent if request else "",
        )

    async def _note_held(self, look: Look, found: Incident, act: Act) -> None:
        """Told once per act: it is due, and the kill switch holds it."""
        assert look.switch is not None
        id = f"held:{act.decision}"
        reason = f"all acting is stopped: {look.switch.owner}: {look.switch.reason}"
        decision = Decision(Rule.SWITCH_HOLDS, reason, found.attempt, due_ms=act.due_ms)
        request = Request.from_json(found.request)
        audit = {"what": "held", "decision": decision.to_json()}
        proof = self._proof(look, found, decision, id, request)
        # Lost races and repeats change nothing: the next check tells it, or it was told.
        await self.ledger.make(look, Move(id, {}, audit, found, found, letters=(proof,)))

    def _proof(self, look: Look, found: Incident, decision: Decision, id: str, request: Request | None) -> Letter:
        return replies.evidence(id, request, decision, found, None, None, None, now=look.now, voice=self.bench.voice)

    def _pause_ms(self, check: int) -> int:
        step = min(CHECK_FIRST_MS << min(check, 8), CHECK_LAST_MS)
        return step // 2 + int(self.dice() * step / 2)


def _nothing(incident: str) -> Outcome:
    return {"verdict": "nothing", "rule": "", "status": "", "incident": incident, "act": None}


def _waiting(incident: str, decision: str, due_ms: int) -> Outcome:
    act = {"decision": decision, "due_ms": due_ms}
    return {"verdict": "waits", "rule": "", "status": "", "incident": incident, "act": act}
