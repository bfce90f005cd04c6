"""The moves that no request makes: what follows when a time has come. Pure.

| function    | when                                      | the incident                                    |
|-------------|-------------------------------------------|-------------------------------------------------|
| hand_over   | a retry's time has come                   | attempt + 1, watched until something is heard   |
| held_back   | it has come, and acting is stopped        | its act is judged afresh afterwards             |
| call_person | a deadline is reached                     | a person has it                                 |
| page_again  | a page was not acknowledged               | the same, one alert more                        |
| unanswered  | none was, to the end of the chain         | watched no more; it stays in the queue          |
| say         | something is to be told, and nothing else | as it was                                       |
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from joelclaw_healing.incident import Act, Incident
from joelclaw_healing.lifecycle import escalated, held, paged_again, served, watched
from joelclaw_healing.look import Look
from joelclaw_healing.move import Letter, Move, Storm
from joelclaw_router import replies
from joelclaw_router.facts import Bench
from joelclaw_router.failure import Decision
from joelclaw_router.holds import Held, scopes_about
from joelclaw_router.judgement import repeated
from joelclaw_router.record import outcome
from joelclaw_router.request import Request
from joelclaw_router.rules import Rule


def held_back(bench: Bench, look: Look, found: Incident, act: Act, why: Held) -> Move:
    """Told once per act."""
    decision = Decision(why[0], why[1], found.attempt, due_ms=act.due_ms)
    id = f"held:{act.decision}"
    proof = proof_of(bench, look, found, decision, id, Request.from_json(found.request))
    return Move(id, {}, {"what": "held", "decision": decision.to_json()}, found, held(found), letters=(proof,))


def hand_over(bench: Bench, look: Look, found: Incident, act: Act, id: str) -> Move:
    after = watched(served(found), look.now + bench.rules.report_ms)
    decision = Decision(Rule.HANDED_OVER, f"attempt {after.attempt} goes to {act.route}", found.attempt, after.attempt)
    request = Request.from_json(found.request)
    route = Letter(act.route, act.decision, act.payload)
    return Move(
        id,
        outcome(decision, after, None),
        {"what": "handed over", "decision": act.decision, "route": act.route, "attempt": after.attempt},
        found,
        after,
        acts=True,
        letters=(route, proof_of(bench, look, found, decision, id, request), replies.look_again(after)),
        traceparent=request.traceparent,
        scopes=() if act.ordered_by else scopes_about(found),
        storm=None if act.ordered_by else Storm(),
    )


def call_person(bench: Bench, look: Look, found: Incident, id: str, rule: Rule, reason: str) -> Move:
    decision = Decision(rule, reason, found.attempt)
    request = Request.from_json(found.request) if found.request else None  # none: nothing was decided yet
    pages: tuple[Letter, ...] = ()
    if request is not None:
        channels = bench.rules.channels(found.owner)
        pages = replies.page(request, found, decision, channels, quiet=bool(look.storm))
    after = repeated(escalated(found, alerts=1 if pages else 0), pages, bench.rules, look.now)
    again = (replies.look_again(after),) if after.watch else ()
    return Move(
        id,
        outcome(decision, found, None),
        {"what": "escalate", "decision": decision.to_json()},
        found,
        after,
        letters=(*pages, proof_of(bench, look, found, decision, id, request), *again),
        traceparent=request.traceparent if request else "",
    )


def page_again(bench: Bench, look: Look, found: Incident, id: str) -> Move:
    """Nobody acknowledged the page: it goes out again, to its owner and along the chain."""
    rules, request = bench.rules, Request.from_json(found.request)
    number = found.repeats + 1
    decision = Decision(Rule.PAGED_AGAIN, f"nobody acknowledged it; page {number + 1}", found.attempt)
    pages = replies.page(request, found, decision, rules.chain(found.owner, number))
    after = repeated(paged_again(found), pages, rules, look.now)
    again = (replies.look_again(after),) if after.watch else ()
    audit = {"what": "paged again", "decision": decision.to_json()}
    proof = proof_of(bench, look, found, decision, id, request)
    return Move(id, outcome(decision, found, None), audit, found, after, letters=(*pages, proof, *again))


def unanswered(bench: Bench, look: Look, found: Incident, id: str) -> Move:
    """The whole chain was paged and nobody acknowledged it. It stays with the persons: the daily digest names it."""
    reason = f"{found.repeats + 1} pages, and nobody acknowledged one: joelclaw heal ack {found.id}"
    decision = Decision(Rule.UNANSWERED, reason, found.attempt)
    return say(bench, look, found, id, decision, replace(found, watch="", watch_ms=0))


def say(bench: Bench, look: Look, found: Incident, id: str, decision: Decision, after: Incident | None = None) -> Move:
    """after: the incident as it becomes; as it was, if nothing is given."""
    request = Request.from_json(found.request) if found.request else None
    audit: dict[str, Any] = {"what": str(decision.rule), "decision": decision.to_json()}
    proof = proof_of(bench, look, found, decision, id, request)
    return Move(id, outcome(decision, found, None), audit, found, after or found, letters=(proof,))


def proof_of(bench: Bench, look: Look, found: Incident, decision: Decision, id: str, request: Request | None) -> Letter:
    return replies.evidence(id, request, decision, found, None, None, None, now=look.now, voice=bench.voice)
