"""The ledger: every incident of a deployment, in one slot, because incident, budgets and queue must move together.

Keys, all under `{healing/incidents}:` (a deployment prefix inside the braces):

| key                 | type   | what                                             | who clears it                   |
|---------------------|--------|--------------------------------------------------|---------------------------------|
| `incident:ID`       | hash   | one incident                                     | expires 30 days after closing   |
| `audit:ID`          | list   | its moves, JSON, oldest first, the last 500      | expires 30 days after closing   |
| `current:TARGET`    | string | the incident of a (domain, target), hashed       | expires 1 h after closing       |
| `moves:open`        | zset   | incidents that are not closed, by opening        | the move that closes            |
| `moves:closed`      | zset   | closed ones, by closing                          | later closings, after 30 days   |
| `moves:queue`       | zset   | the manual queue: escalated ones, by escalation  | the move that closes or reopens |
| `done:MOVE`         | string | a move that was made, and its outcome            | expires after 48 h              |
| `budget:NAME:OF`    | zset   | what was spent in a rolling window               | expires with its window         |
| `guard:TARGET` …    |        | what the guard remembers (`guard.py`)            | expires, see there              |
| `switch`            | hash   | the kill switch; its being there is its being on | `start`                         |
| `switch:log`        | list   | who turned it, JSON, the last 200                | a length limit                  |
| `outbox`, `…:items` |        | letters on their way (the bus delivers them)     | delivery                        |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from joelclaw_bus.errors import BusError
from joelclaw_bus.keys import Slot
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.script import load_script
from joelclaw_bus.store import Store
from joelclaw_healing.errors import IncidentUnknown
from joelclaw_healing.incident import Incident, target_key
from joelclaw_healing.lifecycle import REOPEN_WITHIN_MS, moved
from joelclaw_healing.move import DAY_MS, Answer, Charge, Full, Made, Move, Moved, Stopped, dumps
from joelclaw_healing.switch import KillSwitch, read_switch, switch_log, turn_switch

SLOT_NAME = "healing/incidents"
KEEP_DONE_MS = 2 * DAY_MS  # twice the bus's dedupe window: a redelivery that the bus lets through finds its outcome
KEEP_INCIDENT_MS = 30 * DAY_MS
KEEP_AUDIT = 500

Post = Callable[[Slot, OutboxItem], None]
"""Hands an item that a move stored to the worker's outbox, for delivery at once (`Outbox.post`)."""


def no_post(slot: Slot, item: OutboxItem) -> None:
    """For those that run no worker (the CLI): the next sweep of somebody's worker delivers."""
    del slot, item


@dataclass(frozen=True, slots=True)
class Look:
    """What judgement needs to see, read in one round trip. A move made on it holds only if it is still so.

    now: the store's clock, ms. earlier: the outcome if the move was made before. current: the id that the target's
    `current` names (its incident can be gone). spent: units used per charge asked for, in that order.
    """

    now: int
    incident: Incident | None = None
    current: str = ""
    earlier: dict[str, Any] | None = None
    switch: KillSwitch | None = None
    spent: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ledger:
    """The one typed door to the incidents in `store`."""

    store: Store
    post: Post = no_post

    @property
    def slot(self) -> Slot:
        return self.store.keys.slot(SLOT_NAME)

    async def look(self, domain: str, target: str, *, move: str = "", charges: Sequence[Charge] = ()) -> Look:
        """The present incident of a target. StoreUnavailable, StoreRefused: then nobody may act."""
        current = _text(await self.store.call("GET", self._current(domain, target)))
        return await self._look(current, move, charges)

    async def look_at(self, incident: str, *, move: str = "", charges: Sequence[Charge] = ()) -> Look:
        """The same, by incident id. A move is made on it only while it is its target's present incident."""
        return await self._look(incident, move, charges)

    async def make(self, look: Look, move: Move) -> Answer:
        """Makes the move if all is still as `look` saw it. Idempotent by the move's id."""
        after = moved(move.before, move.after, look.now) if move.after else None
        same = move.before is not None and after is not None and move.before.id == after.id
        items = [letter.item(traceparent=move.traceparent, created_ms=look.now) for letter in move.letters]
        body = {
            "id": move.id,
            "incident": after.id if after else "",
            "seq": str(move.before.seq) if same and move.before else "0",
            "current": look.current,
            "state": after.state.value if after else "",
            "fields": after.to_fields() if after else {},
            "acts": move.acts,
            "charges": [{"limit": c.limit, "window": c.window_ms} for c in move.charges],
            "letters": [{"id": item.id, "item": item.encode().decode()} for item in items],
            "audit": dumps({"at": look.now, "move": move.id, "seq": after.seq if after else 0, **move.audit}),
            "outcome": dumps(move.outcome),
            "keep": {
                "done": KEEP_DONE_MS,
                "incident": KEEP_INCIDENT_MS,
                "current": REOPEN_WITHIN_MS,
                "audit": KEEP_AUDIT,
            },
        }
        keys = [self.done_key(move.id), *self._keys_of(after), *(self._budget(c) for c in move.charges)]
        reply = await self.store.run(load_script("joelclaw_healing", "move"), keys, [dumps(body)])
        answer = _answer(reply, move.charges)
        if isinstance(answer, Made) and not answer.earlier:
            for item in items:
                self.post(self.slot, item)
        return answer

    async def list_incidents(self, *, closed: bool = False, limit: int = 200) -> list[Incident]:
        """Those that are not closed, oldest first; with `closed` the closed ones too, newest last."""
        ids = [_text(i) for i in await self.store.call("ZRANGE", self.slot.key("moves", "open"), 0, limit - 1)]
        if closed:
            gone = await self.store.call("ZRANGE", self.slot.key("moves", "closed"), -limit, -1)
            ids = [*(_text(i) for i in gone), *ids]
        rows = await self.store.calls([("HGETALL", self._incident(i)) for i in ids])
        return [i for row in rows if (i := _incident(row)) is not None]

    async def queue(self) -> list[Incident]:
        """The manual queue: what waits for a person, longest waiting first."""
        ids = await self.store.call("ZRANGE", self.slot.key("moves", "queue"), 0, -1)
        rows = await self.store.calls([("HGETALL", self._incident(_text(i))) for i in ids])
        return [i for row in rows if (i := _incident(row)) is not None]

    async def show(self, incident: str) -> tuple[Incident, list[dict[str, Any]]]:
        """An incident and its timeline, oldest first. IncidentUnknown."""
        row, lines = await self.store.calls(
            [("HGETALL", self._incident(incident)), ("LRANGE", self._audit(incident), 0, -1)]
        )
        found = _incident(row)
        if found is None:
            raise IncidentUnknown(incident)
        return found, [_line(line) for line in _sound(lines)]

    async def switch(self) -> KillSwitch | None:
        """The kill switch, None if it is off."""
        return await read_switch(self.store, self.slot.key("switch"))

    async def stop(self, *, actor: str, reason: str) -> bool:
        """Stops all acting. False if it was stopped already: the first owner and reason stay."""
        return await turn_switch(self.store, self.slot.key("switch"), "stop", actor=actor, reason=reason)

    async def start(self, *, actor: str, reason: str) -> bool:
        """Lets it act again; what came due meanwhile is judged afresh. False if nothing was stopped."""
        return await turn_switch(self.store, self.slot.key("switch"), "start", actor=actor, reason=reason)

    async def switch_log(self) -> list[dict[str, Any]]:
        """Who turned the switch, oldest first: {at, verb, actor, reason}."""
        return await switch_log(self.store, self.slot.key("switch"))

    async def _look(self, incident: str, move: str, charges: Sequence[Charge]) -> Look:
        now = await self.store.time_ms()
        commands: list[tuple[str | int, ...]] = [
            ("HGETALL", self._incident(incident or "none")),
            ("GET", self.done_key(move or "none")),
            ("HGETALL", self.slot.key("switch")),
            *(("ZCOUNT", self._budget(c), now - c.window_ms + 1, "+inf") for c in charges),
        ]
        row, earlier, switch, *spent = [_sound(reply) for reply in await self.store.calls(commands)]
        return Look(
            now=now,
            incident=_incident(row),
            current=incident,
            earlier=json.loads(earlier) if earlier else None,
            switch=KillSwitch.from_fields(_hash(switch)),
            spent=tuple(int(n) for n in spent),
        )

    def _keys_of(self, incident: Incident | None) -> list[str]:
        """KEYS 2 … 10 of the move script. A move without incident names the same kinds of keys and touches none."""
        name = incident.id if incident else "none"
        return [
            self._incident(name),
            self._audit(name),
            self._current(incident.domain, incident.target) if incident else self.slot.key("current", "none"),
            self.slot.key("moves", "open"),
            self.slot.key("moves", "closed"),
            self.slot.key("moves", "queue"),
            self.slot.key("switch"),
            self.slot.outbox,
            self.slot.outbox_items,
        ]

    def _incident(self, incident: str) -> str:
        return self.slot.key("incident", incident)

    def _audit(self, incident: str) -> str:
        return self.slot.key("audit", incident)

    def _current(self, domain: str, target: str) -> str:
        return self.slot.key("current", target_key(domain, target))

    def done_key(self, move: str) -> str:
        """Where a move's outcome is kept; the guard's moves lie among the incidents'."""
        return self.slot.key("done", hashlib.sha256(move.encode("utf-8", "surrogateescape")).hexdigest()[:32])

    def _budget(self, charge: Charge) -> str:
        return self.slot.key("budget", charge.name, target_key("budget", charge.of))


def _answer(reply: Any, charges: Sequence[Charge]) -> Answer:
    if reply == 0:
        return Moved()
    word = _text(reply[0])
    if word == "stopped":
        return Stopped()
    if word == "full":
        return Full(charges[int(reply[1])].name)
    return Made(json.loads(reply[1]), earlier=word == "earlier")


def _line(raw: Any) -> dict[str, Any]:
    """One line of a timeline. One that is none of ours is shown, and hides no other."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        line = None
    return line if isinstance(line, dict) else {"what": _text(raw)[:2000]}


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "surrogateescape") if raw else ""


def _sound(reply: Any) -> Any:
    """A pipeline's reply, or its refusal raised: an unreadable store must not look like an empty one."""
    if isinstance(reply, BusError):
        raise reply
    return reply


def _hash(row: Sequence[bytes]) -> dict[str, str]:
    return {_text(row[i]): _text(row[i + 1]) for i in range(0, len(row), 2)}


def _incident(row: Any) -> Incident | None:
    fields = _hash(_sound(row))
    return Incident.from_fields(fields) if fields.get("id") else None
