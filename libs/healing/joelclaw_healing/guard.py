"""The guard: the one door through which every disruptive act goes, whoever wants it.

    ruling = await guard.judge("RUN:judge-0", target, symptom)      # noted, ruled, and if it may act: the intent stands
    ruling = await guard.enter("RUN:enter", target, intent, symptom, found_done=False)   # right before the act
    ruling = await guard.settle("RUN:outcome", target, intent, Outcome.FIXED, "…")       # what became of it

Each is one atomic move with an id: made once, and whoever asks again (a crash, a redelivery) gets the first answer.
A move that lost a race is judged again on what is so now. StoreUnavailable, StoreRefused: then nobody may act.

Keys, in the ledger's slot: `guard:TARGET` (hash: seq, body), `guard:TARGET:audit` (list, the last 500),
`guard:TARGET:acts` (zset, expires with the widest window), `group:GROUP` and `group:GROUP:acting` (zsets, expire after
a day), `done:MOVE`; record and audit expire 30 days after the last move.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import anyio

from joelclaw_bus.script import load_script
from joelclaw_healing.errors import GuardContested
from joelclaw_healing.evidence import Voice
from joelclaw_healing.guard_history import (
    DAY_MS,
    HOUR_MS,
    GuardLimits,
    History,
    Intent,
    Outcome,
    Record,
    Symptom,
    Target,
    intent_of,
)
from joelclaw_healing.guard_policy import Ruling, entry, intended, next_step, noted, settled, spent
from joelclaw_healing.guard_rules import Rule, rule_named
from joelclaw_healing.guard_telling import letters_of
from joelclaw_healing.incident import target_key
from joelclaw_healing.ledger import KEEP_AUDIT, KEEP_DONE_MS, KEEP_INCIDENT_MS, Ledger
from joelclaw_healing.move import dumps
from joelclaw_healing.switch import KillSwitch

LOOKS = 20
"""So often a move that lost its race is judged again; then it fails, and its run is tried again later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was ruled. `intent`: the act that may be done (or that was settled); `hour`, `day`: acts charged so far."""

    rule: Rule
    why: str
    intent: Intent | None = None
    failing: int = 0
    hour: int = 0
    day: int = 0

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "rule": str(self.rule)}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Answer:
        return cls(**{**raw, "rule": rule_named(raw["rule"]), "intent": intent_of(raw["intent"])})


@dataclass(frozen=True, slots=True)
class _Sight:
    now: int
    history: History
    earlier: Answer | None


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
        sight = await self._look(target, "")
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
        return (await self._look(target, "")).history

    async def audit(self, target: Target) -> list[dict[str, Any]]:
        """Its moves, oldest first: input, rule, budget before and after."""
        return [json.loads(line) for line in await self.ledger.store.call("LRANGE", self._key(target, "audit"), 0, -1)]

    async def _move(self, id: str, target: Target, judge: Judgement, asked: dict[str, Any]) -> Answer:
        for look in range(LOOKS):
            await anyio.sleep(random.random() * 0.005 * look)  # losers that step in time with each other keep losing
            sight = await self._look(target, id)
            if sight.earlier is not None:
                return sight.earlier
            ruling, after = judge(sight.history, sight.now)
            made = await self._make(id, target, sight, ruling, after, asked)
            if made is not None:
                return made
        raise GuardContested(target.text, LOOKS)

    async def _make(
        self, id: str, target: Target, sight: _Sight, ruling: Ruling, after: Record, asked: dict[str, Any]
    ) -> Answer | None:
        before, rule = sight.history.record, ruling.rule
        after = replace(after, seq=before.seq + 1)
        told, letters = letters_of(id, target, before, after, ruling, sight.now, self.voice, self.channels)
        hour, day = spent(sight.history.acts, sight.now)
        after = replace(after, told=told, alerts=before.alerts + (told != before.told))
        answer = Answer(
            rule, ruling.why, after.intent or before.intent, after.failing, hour + rule.acts, day + rule.acts
        )
        items = [letter.item(traceparent="", created_ms=sight.now) for letter in letters]
        line = {
            "at": sight.now,
            "move": id,
            "rule": str(rule),
            "why": ruling.why,
            "asked": asked,
            "before": [hour, day],
        }
        quiet = rule is Rule.HEALTHY and before.failing == 0  # a quiet month must not push out what happened
        body = {
            "id": id,
            "seq": str(before.seq),
            "next": str(after.seq),
            "target": target.text,
            "body": after.to_json(),
            "acts": rule.acts or rule in (Rule.ENTERED, Rule.RESUMED),
            "charge": self._charge(after) if rule.acts else False,
            "release": after.intent is None,
            "letters": [{"id": item.id, "item": item.encode().decode()} for item in items],
            "audit": "" if quiet else dumps({**line, "after": [answer.hour, answer.day]}),
            "outcome": dumps(answer.to_json()),
            "keep": {"done": KEEP_DONE_MS, "record": KEEP_INCIDENT_MS, "audit": KEEP_AUDIT, "member": DAY_MS},
        }
        slot = self.ledger.slot
        keys = [
            *(self.ledger.done_key(id), self._key(target), self._key(target, "audit"), self._key(target, "acts")),
            *(self._group(target), self._group(target, "acting"), slot.key("switch"), slot.outbox, slot.outbox_items),
        ]
        reply = await self.ledger.store.run(load_script("joelclaw_healing", "guard"), keys, [dumps(body)])
        if reply == 0 or reply[0] in (b"stopped", b"full"):
            return None  # something moved since the look: the next one sees it, and the page names the rule
        if reply[0] == b"made":
            for item in items:
                self.ledger.post(slot, item)
        return Answer.from_json(json.loads(reply[1]))

    def _charge(self, after: Record) -> dict[str, Any]:
        windows = ((self.limits.per_hour, HOUR_MS), (self.limits.per_day, DAY_MS))
        return {
            "limits": [{"limit": limit, "window": window} for limit, window in windows],
            "share": self.limits.group_share,
            "until_ms": after.intent.until_ms if after.intent else 0,
        }

    async def _look(self, target: Target, id: str) -> _Sight:
        store = self.ledger.store
        now = await store.time_ms()
        replies = await store.calls(
            [
                ("GET", self.ledger.done_key(id or "none")),
                ("HGET", self._key(target), "body"),
                ("ZRANGE", self._key(target, "acts"), now - DAY_MS + 1, "+inf", "BYSCORE", "WITHSCORES"),
                ("ZRANGE", self._group(target), now - DAY_MS, "+inf", "BYSCORE"),
                ("ZRANGE", self._group(target, "acting"), now + 1, "+inf", "BYSCORE"),
                ("HGETALL", self.ledger.slot.key("switch")),
            ]
        )
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply  # what can't be read must not look empty
        done, body, acts, members, acting, switch = replies
        mine = target.text.encode()
        history = History(
            record=Record.from_json(body.decode()) if body else Record(),
            acts=tuple(int(float(score)) for score in acts[1::2]),
            group_size=len({*members, mine}),
            group_acting=len({*acting} - {mine}),
            stopped=_stopped(switch),
        )
        return _Sight(now, history, Answer.from_json(json.loads(done)) if done else None)

    def _key(self, target: Target, *parts: str) -> str:
        return self.ledger.slot.key("guard", target_key(target.domain, f"{target.name}\0{target.action}"), *parts)

    def _group(self, target: Target, *parts: str) -> str:
        return self.ledger.slot.key("group", target_key("group", target.group or target.text), *parts)


_OF_OUTCOME = {
    Outcome.FIXED: Rule.FIXED,
    Outcome.FAILED: Rule.FAILED,
    Outcome.UNVERIFIED: Rule.UNVERIFIED,
    Outcome.SKIPPED: Rule.SKIPPED,
}


def _stopped(row: Sequence[bytes]) -> str:
    """Who stopped all acting, and why; '' if nobody did."""
    fields = {row[i].decode("utf-8", "replace"): row[i + 1].decode("utf-8", "replace") for i in range(0, len(row), 2)}
    switch = KillSwitch.from_fields(fields)
    return f"{switch.owner}: {switch.reason}" if switch else ""
