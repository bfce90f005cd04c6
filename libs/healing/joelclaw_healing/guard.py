"""The guard: the one door through which every disruptive act goes, whoever wants it.

    ruling = await guard.judge("RUN:judge-0", target, symptom)      # noted, ruled, and if it may act: the intent stands
    ruling = await guard.enter("RUN:enter", target, intent, symptom, found_done=False)   # right before the act
    ruling = await guard.settle("RUN:outcome", target, intent, Outcome.FIXED, "…")       # what became of it

Each is one atomic move with an id: made once, and whoever asks again (a crash, a redelivery) gets the first answer.
A move that lost a race is judged again on what is so now. StoreUnavailable, StoreRefused: then nobody may act.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import anyio

from joelclaw_healing.errors import GuardContested
from joelclaw_healing.evidence import Voice
from joelclaw_healing.guard_history import GuardLimits, History, Intent, Outcome, Record, Symptom, Target
from joelclaw_healing.guard_memory import Answer, Memory
from joelclaw_healing.guard_policy import Ruling, entry, intended, next_step, noted, settled, spent
from joelclaw_healing.guard_rules import Rule
from joelclaw_healing.ledger import Ledger

LOOKS = 20
"""So often a move that lost its race is judged again; then it fails, and its run is tried again later."""

Judgement = Callable[[History, int], tuple[Ruling, Record]]


@dataclass(frozen=True, slots=True)
class Guard:
    """me: this process incarnation, so that an intent says whose it is; channels: where its alerts go."""

    ledger: Ledger
    voice: Voice
    me: str
    limits: GuardLimits = field(default_factory=GuardLimits)
    channels: Sequence[str] = ()

    async def judge(self, id: str, target: Target, symptom: Symptom) -> Answer:
        """Notes one look and rules on it. With `act-permitted` or `act-forced` the intent is recorded, the cool-down
        runs and the budgets are charged: whoever gets that answer owns the act. GuardContested."""

        def judge(history: History, now: int) -> tuple[Ruling, Record]:
            record = noted(history.record, symptom, now, self.limits)
            ruling = next_step(symptom, replace(history, record=record), now, self.limits)
            if ruling.rule.acts:
                record = intended(record, id, self.me, symptom, ruling.why, now, self.limits)
            if ruling.rule is Rule.INTERRUPTED:
                record = settled(record, Outcome.UNVERIFIED, now, self.limits)
            return ruling, record

        return await self._move(id, target, judge, {"seen": asdict(symptom)})

    async def rehearse(self, target: Target, symptoms: Sequence[Symptom]) -> Answer:
        """What `judge` would rule after these looks, by the same code. Writes nothing."""
        sight = await self._memory.look(target, "")
        record, history = sight.history.record, sight.history
        for symptom in symptoms:
            record = noted(record, symptom, sight.now, self.limits)
        ruling = next_step(symptoms[-1], replace(history, record=record), sight.now, self.limits)
        return Answer(ruling.rule, ruling.why, None, record.failing, *spent(history.acts, sight.now))

    async def enter(self, id: str, target: Target, intent: Intent, symptom: Symptom, *, found_done: bool) -> Answer:
        """Asks for the act itself, once per try: never twice with one id. After a crash it rules afresh, and an act
        that was begun is never begun again. `rule.goes_on` says whether to go on (FOUND_DONE: without acting)."""

        def judge(history: History, now: int) -> tuple[Ruling, Record]:
            record, present = history.record, history.record.intent
            if present is None or present.id != intent.id:
                return Ruling(Rule.IN_FLIGHT, "this act was settled by somebody else"), record
            ruling = entry(present, self.me, symptom, found_done)
            if history.stopped and ruling.rule in (Rule.ENTERED, Rule.RESUMED):
                ruling = Ruling(Rule.KILL_SWITCH, f"all acting is stopped by {history.stopped}")
            if ruling.rule in (Rule.ENTERED, Rule.RESUMED):
                until = now + self.limits.lease_ms
                return ruling, replace(record, intent=replace(present, entered_by=self.me, until_ms=until))
            if ruling.rule is Rule.INTERRUPTED:
                return ruling, settled(record, Outcome.UNVERIFIED, now, self.limits)
            return ruling, record if ruling.rule.goes_on else settled(record, Outcome.SKIPPED, now, self.limits)

        return await self._move(id, target, judge, {"seen": asdict(symptom), "found_done": found_done})

    async def settle(self, id: str, target: Target, intent: Intent, outcome: Outcome, detail: str) -> Answer:
        """Records what became of an act, and ends its lease. If somebody settled it before, that stands."""
        rule = _OF_OUTCOME[outcome]

        def judge(history: History, now: int) -> tuple[Ruling, Record]:
            record = history.record
            if record.intent is None or record.intent.id != intent.id:
                return Ruling(Rule.UNVERIFIED, f"settled by somebody else before this was seen: {detail}"), record
            return Ruling(rule, detail), settled(record, outcome, now, self.limits)

        return await self._move(id, target, judge, {"outcome": outcome.value, "detail": detail})

    async def history(self, target: Target) -> History:
        """What is remembered of a target, for people and tests."""
        return (await self._memory.look(target, "")).history

    async def audit(self, target: Target) -> list[dict[str, Any]]:
        """Its moves, oldest first: input, rule, budget before and after."""
        return await self._memory.audit(target)

    @property
    def _memory(self) -> Memory:
        return Memory(self.ledger, self.voice, self.limits, self.channels)

    async def _move(self, id: str, target: Target, judge: Judgement, asked: Mapping[str, Any]) -> Answer:
        for look in range(LOOKS):
            if look:  # losers that step in time with each other keep losing
                await anyio.sleep(random.random() * 0.005 * look)
            sight = await self._memory.look(target, id)
            if sight.earlier is not None:
                return sight.earlier
            ruling, after = judge(sight.history, sight.now)
            made = await self._memory.make(id, target, sight, ruling, after, asked)
            if made is not None:
                return made
        raise GuardContested(target.text, LOOKS)


_OF_OUTCOME = {
    Outcome.FIXED: Rule.FIXED,
    Outcome.FAILED: Rule.FAILED,
    Outcome.UNVERIFIED: Rule.UNVERIFIED,
    Outcome.SKIPPED: Rule.SKIPPED,
}
