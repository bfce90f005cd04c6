"""What persons say about an incident, seen to: an approval that was asked for, its expiry, a retry that is ordered."""

from __future__ import annotations

from dataclasses import replace

from joelclaw_healing.incident import Incident, State
from joelclaw_healing.look import Look
from joelclaw_healing.move import Move
from joelclaw_healing.orders import same_person
from joelclaw_router import moves
from joelclaw_router.desk import Desk, Outcome, nothing
from joelclaw_router.failure import Decision
from joelclaw_router.judgement import judge_again, judge_order
from joelclaw_router.request import Request
from joelclaw_router.rules import Rule

IN_TIME = "nobody allowed it in time"


async def approve(desk: Desk, incident: str, approval: str, actor: str, event: str) -> Outcome:
    """A person allows what was asked: it is judged afresh with that. A word of the requester's, or of nobody, is
    refused and told; the approval waits on for another person until it expires."""
    move_id = f"approved:{approval}:{event}"

    def judge(look: Look) -> Move | Outcome:
        found = look.incident
        if found is None or found.state is not State.ESCALATED or found.approval != approval:
            return nothing(incident)
        if look.now >= found.approval_ms:
            return _over(desk, look, found, move_id)
        if not actor.strip() or same_person(actor, Request.from_json(found.request).requested_by):
            reason = f"{actor} asked for it and can't allow it" if actor.strip() else "nobody is named who allows it"
            left, until = found.approval_ms - look.now, found.approval_ms
            decision = Decision(Rule.SELF_APPROVAL, reason, found.attempt, found.attempt, left, until)
            return moves.say(desk.bench, look, found, move_id, decision)
        base = replace(_unasked(found), state=State.OPEN)
        return judge_again(desk.bench, look, base, desk.dice(), move_id, approved_by=actor)

    return await desk.moved(incident, lambda: desk.look_at(incident, move_id), judge)


async def deny(desk: Desk, incident: str, approval: str, why: str = IN_TIME) -> Outcome:
    """Nobody allowed it in time: that denies. It stays in the manual queue."""
    move_id = f"denied:{approval}"

    def judge(look: Look) -> Move | Outcome:
        found = look.incident
        if found is None or found.state is not State.ESCALATED or found.approval != approval:
            return nothing(incident)
        return _over(desk, look, found, move_id, why)

    return await desk.moved(incident, lambda: desk.look_at(incident, move_id), judge)


async def order(desk: Desk, incident: str, actor: str, reason: str, event: str) -> Outcome:
    """A person wants the incident's last request retried now."""
    move_id = f"ordered:{event}"

    def judge(look: Look) -> Move | Outcome:
        found = look.incident
        if found is None or found.is_over or not found.request:
            return nothing(incident)
        request = Request.from_json(found.request)
        rules = desk.bench.rules
        asks = rules.policy(found.domain, request.wish, look.switch, found.target).approval_ms > 0
        if asks and same_person(actor, request.requested_by):
            decision = Decision(Rule.SELF_APPROVAL, f"{actor} asked for it and can't order it", found.attempt)
            return moves.say(desk.bench, look, found, move_id, decision)
        return judge_order(desk.bench, look, found, actor, reason, move_id)

    return await desk.moved(incident, lambda: desk.look_at(incident, move_id), judge)


def _over(desk: Desk, look: Look, found: Incident, move_id: str, why: str = IN_TIME) -> Move:
    decision = Decision(Rule.APPROVAL_OVER, f"{why}: it is denied", found.attempt)
    return moves.say(desk.bench, look, found, move_id, decision, _unasked(found))


def _unasked(found: Incident) -> Incident:
    return replace(found, approval="", approval_ms=0)
