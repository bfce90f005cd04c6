"""How the guard's memory lies in the store: one look in one round trip, one move in one script.

Keys, in the ledger's slot: `guard:TARGET` (hash: seq, body), `guard:TARGET:audit` (list, the last 500),
`guard:TARGET:acts` (zset, expires with the widest window), `group:GROUP` and `group:GROUP:acting` (zsets, expire after
a day), `done:MOVE`; record and audit expire 30 days after the last move.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from joelclaw_bus.script import load_script
from joelclaw_healing.evidence import Voice
from joelclaw_healing.guard_history import (
    DAY_MS,
    HOUR_MS,
    GuardLimits,
    History,
    Intent,
    Record,
    Target,
    intent_of,
)
from joelclaw_healing.guard_policy import Ruling, spent
from joelclaw_healing.guard_rules import Rule, rule_named
from joelclaw_healing.guard_telling import letters_of
from joelclaw_healing.incident import target_key
from joelclaw_healing.ledger import Ledger
from joelclaw_healing.look import hash_of
from joelclaw_healing.move import dumps
from joelclaw_healing.move_call import KEEP_AUDIT, KEEP_DONE_MS, KEEP_INCIDENT_MS
from joelclaw_healing.pause_reasons import covering, reasons_of, scopes_of
from joelclaw_healing.switch import KillSwitch


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
class Sight:
    """What is so now. `earlier`: the answer, if the move that is asked for was made before."""

    now: int
    history: History
    earlier: Answer | None


@dataclass(frozen=True, slots=True)
class Memory:
    """The one typed door to it. StoreUnavailable, StoreRefused: then nobody may act."""

    ledger: Ledger
    voice: Voice
    limits: GuardLimits
    channels: Sequence[str]

    async def make(
        self, id: str, target: Target, sight: Sight, ruling: Ruling, after: Record, asked: Mapping[str, Any]
    ) -> Answer | None:
        """Makes the move if all is still as `sight` has it; None if something moved: the next look sees it, and the
        page names the rule."""
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
            "scopes": [] if rule is Rule.FORCED else list(_scopes(target)),
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
            *(slot.key("pauses"), self._all_acts),
        ]
        reply = await self.ledger.store.run(load_script("joelclaw_healing", "guard"), keys, [dumps(body)])
        if reply == 0 or reply[0] in (b"stopped", b"paused", b"full"):
            return None
        if reply[0] == b"made":
            for item in items:
                self.ledger.post(slot, item)
        return Answer.from_json(json.loads(reply[1]))

    def _charge(self, after: Record) -> dict[str, Any]:
        windows = ((self.limits.per_hour, HOUR_MS), (self.limits.per_day, DAY_MS))
        return {
            "limits": [{"limit": limit, "window": window} for limit, window in windows],
            "all": {"limit": self.limits.all_per_hour, "window": HOUR_MS},
            "share": self.limits.group_share,
            "until_ms": after.intent.until_ms if after.intent else 0,
        }

    async def look(self, target: Target, id: str) -> Sight:
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
                ("HGETALL", self.ledger.slot.key("pauses")),
                ("ZCOUNT", self._all_acts, now - HOUR_MS + 1, "+inf"),
            ]
        )
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply  # what can't be read must not look empty
        done, body, acts, members, acting, switch, pauses, all_acts = replies
        pause = covering(reasons_of(hash_of(pauses), now), _scopes(target))
        mine = target.text.encode()
        history = History(
            record=Record.from_json(body.decode()) if body else Record(),
            acts=tuple(int(float(score)) for score in acts[1::2]),
            group_size=len({*members, mine}),
            group_acting=len({*acting} - {mine}),
            stopped=_stopped(switch),
            paused=pause.text if pause else "",
            all_acts=int(all_acts),
        )
        return Sight(now, history, Answer.from_json(json.loads(done)) if done else None)

    def _key(self, target: Target, *parts: str) -> str:
        return self.ledger.slot.key("guard", target_key(target.domain, f"{target.name}\0{target.action}"), *parts)

    @property
    def _all_acts(self) -> str:
        return self.ledger.slot.key("budget", "acts-of-all", "all")

    def _group(self, target: Target, *parts: str) -> str:
        return self.ledger.slot.key("group", target_key("group", target.group or target.text), *parts)

    async def audit(self, target: Target) -> list[dict[str, Any]]:
        """Its moves, oldest first."""
        return [json.loads(line) for line in await self.ledger.store.call("LRANGE", self._key(target, "audit"), 0, -1)]


def _scopes(target: Target) -> tuple[str, ...]:
    return scopes_of(target.domain, target.name, target.group or target.domain)


def _stopped(row: Sequence[bytes]) -> str:
    """Who stopped all acting, and why; '' if nobody did."""
    switch = KillSwitch.from_fields(hash_of(row))
    return f"{switch.owner}: {switch.reason}" if switch else ""
