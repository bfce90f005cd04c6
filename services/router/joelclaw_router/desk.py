"""The desk: where a case is looked up, judged, and recorded; and looked at again when its time has come.

Every method is one step of a run: it can be repeated after a crash at any point and says the same again, because each
move has an id and is made once. Losing a race means looking and judging again, never acting on what was.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from joelclaw_healing.errors import IncidentContested
from joelclaw_healing.incident import Act, Incident, Kind, State
from joelclaw_healing.ledger import Ledger
from joelclaw_healing.ledger_keys import group_of
from joelclaw_healing.lifecycle import served
from joelclaw_healing.look import STORM, Look, Place
from joelclaw_healing.move import Made, Move
from joelclaw_router import moves, replies
from joelclaw_router.advice.adviser import Adviser, Consulted
from joelclaw_router.facts import Bench
from joelclaw_router.holds import held_by
from joelclaw_router.judgement import choice, judge, judge_again
from joelclaw_router.request import BACKUP, Request
from joelclaw_router.rules import Rule

CLOSER = "system/self-healing.closer"
LOOKS = 20
"""So often a move that lost its race is judged again; then the run fails, and is tried again later."""
CHECK_FIRST_MS = 5_000
CHECK_LAST_MS = 60_000
"""While acting is stopped, what is due is looked at again after 5 s, 10 s … 60 s, spread by chance."""

Outcome = dict[str, Any]
Said = dict[str, Any]


async def trusted(now: int) -> str:
    """Eyes that nobody doubts."""
    del now
    return ""


@dataclass(frozen=True, slots=True)
class Desk:
    """dice: 0 ≤ dice() < 1; drawn inside the step that records what it decided. advisers: who may advise, per domain
    ('' all others). eyes: why what we are told is not trusted now, '' if it is."""

    ledger: Ledger
    bench: Bench
    dice: Callable[[], float] = random.random
    advisers: Mapping[str, Adviser] = field(default_factory=dict)
    eyes: Callable[[int], Awaitable[str]] = trusted

    def adviser(self, domain: str) -> Adviser | None:
        return self.advisers.get(BACKUP if domain == BACKUP else "")

    async def consult(self, request: Request) -> Said:
        """Asks the models about a request, once: what they said, as JSON; empty when there was nothing to choose."""
        adviser = self.adviser(request.domain)
        look = await self._look(request)
        question = choice(self.bench, request, look) if look.earlier is None else None
        if adviser is None or question is None:
            return {}
        return (await adviser.consult(question)).to_json()

    async def decide(self, request: Request, said: Said | None = None) -> Outcome:
        """Answers a request: one move, one outcome, however often it is asked. said: by `consult`. IncidentContested,
        store errors."""
        heard = Consulted.from_json(said) if said else None
        return await self.moved(
            f"{request.domain}/{request.target}",
            lambda: self._look(request),
            lambda look: judge(self.bench, request, look, self.dice(), heard),
        )

    async def due(self, incident: str, decision: str, check: int = 0) -> Outcome:
        """An act's time has come, or a watch's: hand it over, or judge again; or wait while acting is stopped.

        `check` counts the looks so far. The outcome's `act` says what to wait for next, if anything.
        """
        move_id = f"due:{decision}"
        for _ in range(LOOKS):
            look = await self._sees(await self.ledger.look_at(incident, move=move_id))
            if look.earlier is not None:
                return look.earlier
            found = look.incident
            due = _due_ms(found, decision)
            if found is None or due is None:
                return nothing(incident)
            if look.now < due:
                return waiting(incident, decision, due)
            if found.state is State.ESCALATED:
                if found.acked_by:
                    return nothing(incident)
                over = self.bench.rules.is_unanswered(found.repeats)
                telling = moves.unanswered if over else moves.page_again
                made = await self.ledger.make(look, telling(self.bench, look, found, move_id))
                if isinstance(made, Made):
                    return made.outcome
                continue
            kept_by = held_by(look, found)
            if kept_by is not None:
                if found.act is not None and not found.act.held:
                    # Lost races and repeats change nothing: the next check tells it, or it was told.
                    await self.ledger.make(look, moves.held_back(self.bench, look, found, found.act, kept_by))
                return waiting(incident, decision, look.now + self._pause_ms(check))
            made = await self.ledger.make(*await self._due_move(look, found, found.act, move_id))
            if isinstance(made, Made):
                return made.outcome
        raise IncidentContested(incident, LOOKS)

    async def deadline(self, incident: str, deadline_ms: int) -> Outcome:
        """A deadline is reached: what is unresolved goes to a person."""
        move_id = f"deadline:{incident}:{deadline_ms}"

        def judge(look: Look) -> Move | Outcome:
            found = look.incident
            if found is None or found.state is not State.OPEN or found.deadline_ms != deadline_ms:
                return nothing(incident)
            return moves.call_person(self.bench, look, found, move_id, Rule.DEADLINE_TIMER, _unresolved(found))

        return await self.moved(incident, lambda: self.look_at(incident, move_id), judge)

    async def moved(
        self, what: str, find: Callable[[], Awaitable[Look]], judge: Callable[[Look], Move | Outcome]
    ) -> Outcome:
        """Looks, judges, makes; again where the race was lost. What `judge` gives that is no move is the outcome."""
        for _ in range(LOOKS):
            look = await find()
            if look.earlier is not None:
                return look.earlier
            move = judge(look)
            if not isinstance(move, Move):
                return move
            made = await self.ledger.make(look, move)
            if isinstance(made, Made):
                return made.outcome
        raise IncidentContested(what, LOOKS)

    async def look_at(self, incident: str, move: str) -> Look:
        """All that judging it again needs."""
        look = await self.ledger.look_at(incident, move=move)
        found = look.incident
        if found is None or look.earlier is not None:
            return look
        rules = self.bench.rules
        place = Place(found.domain, found.target, group_of(found), rules.config.budgets.storm_window_ms)
        charges = rules.charges(found.domain, found.target)
        return await self._sees(await self.ledger.look_at(incident, move=move, charges=charges, place=place))

    async def _look(self, request: Request) -> Look:
        rules, domain, target = self.bench.rules, request.domain, request.target
        look = await self.ledger.look(
            domain,
            target,
            move=f"answer:{request.key}",
            charges=rules.charges(domain, target),
            place=rules.place(domain, target),
        )
        return await self._sees(look)

    async def _sees(self, look: Look) -> Look:
        blind = await self.eyes(look.now)
        return replace(look, blind=blind) if blind else look

    async def _due_move(self, look: Look, found: Incident, act: Act | None, move_id: str) -> tuple[Look, Move]:
        if act is not None and found.deadline_ms and look.now > found.deadline_ms and not act.ordered_by:
            rule = Rule.DEADLINE_PAST
            return look, moves.call_person(self.bench, look, found, move_id, rule, _unresolved(found))
        if act is not None and act.kind is Kind.RETRY and not act.held:
            return look, moves.hand_over(self.bench, look, found, act, move_id)
        base = served(found) if act is not None and act.kind is Kind.PAUSE else replace(found, act=None)
        # If it moved between the two looks, the move is refused and all is looked at again.
        look = replace(await self.look_at(found.id, move_id), incident=found)
        return look, judge_again(self.bench, look, base, self.dice(), move_id)

    def _pause_ms(self, check: int) -> int:
        step = min(CHECK_FIRST_MS << min(check, 8), CHECK_LAST_MS)
        return step // 2 + int(self.dice() * step / 2)


def _due_ms(found: Incident | None, decision: str) -> int | None:
    """When this act or watch is due; None: it is nobody's any more."""
    if found is None or found.domain == STORM:
        return None
    if found.act is not None:
        return found.act.due_ms if found.act.decision == decision else None
    return found.watch_ms if found.watch == decision else None


def _unresolved(found: Incident) -> str:
    return f"unresolved at the deadline {replies.iso(found.deadline_ms)}"


def nothing(incident: str) -> Outcome:
    return {"verdict": "nothing", "rule": "", "status": "", "incident": incident, "act": None}


def waiting(incident: str, decision: str, due_ms: int) -> Outcome:
    act = {"decision": decision, "due_ms": due_ms}
    return {"verdict": "waits", "rule": "", "status": "", "incident": incident, "act": act}
