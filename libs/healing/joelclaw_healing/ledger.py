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
| `pauses`            | hash   | pause reasons, JSON by id                        | their end, and the next one     |
| `pauses:log`        | list   | who paused and resumed, JSON, the last 200       | a length limit                  |
| `storms`            | zset   | groups in a storm, by its end                    | expires with the last           |
| `failing:GROUP`     | zset   | its targets by their last failure                | expires with the window         |
| `outages:TARGET`    | zset   | when it failed after it had been well            | expires after 30 days           |
| `proven`            | hash   | the last proven backup of each target, JSON      | the next one; a field a target  |
| `guard:TARGET` …    |        | what the guard remembers (`guard.py`)            | expires, see there              |
| `switch`            | hash   | the kill switch; its being there is its being on | `start`                         |
| `switch:log`        | list   | who turned it, JSON, the last 200                | a length limit                  |
| `outbox`, `…:items` |        | letters on their way (the bus delivers them)     | delivery                        |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from joelclaw_bus.keys import Slot
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.script import load_script
from joelclaw_bus.store import Store
from joelclaw_healing.errors import IncidentUnknown
from joelclaw_healing.incident import Incident
from joelclaw_healing.ledger_keys import LedgerKeys
from joelclaw_healing.lifecycle import moved
from joelclaw_healing.look import Look, Place, hash_of, incident_of, look, sound, text_of
from joelclaw_healing.move import Answer, Charge, Made, Move
from joelclaw_healing.move_call import answer_of, body_of
from joelclaw_healing.pause_reasons import PauseReason, add_pause, end_pause, reasons_of
from joelclaw_healing.proofs import Proof
from joelclaw_healing.switch import KillSwitch, read_switch, switch_log, turn_switch

SLOT_NAME = "healing/incidents"

Post = Callable[[Slot, OutboxItem], None]
"""Hands an item that a move stored to the worker's outbox, for delivery at once (`Outbox.post`)."""


def no_post(slot: Slot, item: OutboxItem) -> None:
    """For those that run no worker (the CLI): the next sweep of somebody's worker delivers."""
    del slot, item


@dataclass(frozen=True)
class Ledger:
    """The one typed door to the incidents in `store`."""

    store: Store
    post: Post = no_post

    @cached_property
    def slot(self) -> Slot:
        return self.store.keys.slot(SLOT_NAME)

    async def look(
        self,
        domain: str,
        target: str,
        *,
        move: str = "",
        charges: Sequence[Charge] = (),
        place: Place | None = None,
    ) -> Look:
        """The present incident of a target. StoreUnavailable, StoreRefused: then nobody may act."""
        return await look(self.store, self._keys, self._keys.current(domain, target), "", move, charges, place)

    async def look_at(
        self, incident: str, *, move: str = "", charges: Sequence[Charge] = (), place: Place | None = None
    ) -> Look:
        """The same, by incident id. A move is made on it only while it is its target's present incident."""
        unasked = self._keys.current("none", "none")
        return await look(self.store, self._keys, unasked, incident or "none", move, charges, place)

    async def make(self, look: Look, move: Move) -> Answer:
        """Makes the move if all is still as `look` saw it. Idempotent by the move's id."""
        after = moved(move.before, move.after, look.now) if move.after else None
        items = [letter.item(traceparent=move.traceparent, created_ms=look.now) for letter in move.letters]
        keys = self._keys.of_move(after, move.id, move.charges)
        body = body_of(look, move, after, items)
        reply = await self.store.run(load_script("joelclaw_healing", "move"), keys, [body])
        answer = answer_of(reply, move.charges)
        if isinstance(answer, Made) and not answer.earlier:
            for item in items:
                self.post(self.slot, item)
        return answer

    async def list_incidents(self, *, closed: bool = False, limit: int = 200) -> list[Incident]:
        """Those that are not closed, oldest first; with `closed` the closed ones too, newest last."""
        ids = [text_of(i) for i in await self.store.call("ZRANGE", self.slot.key("moves", "open"), 0, limit - 1)]
        if closed:
            gone = await self.store.call("ZRANGE", self.slot.key("moves", "closed"), -limit, -1)
            ids = [*(text_of(i) for i in gone), *ids]
        rows = await self.store.calls([("HGETALL", self._keys.incident(i)) for i in ids])
        return [i for row in rows if (i := incident_of(row)) is not None]

    async def overview(self, *, closed: bool = False, limit: int = 200) -> tuple[list[Incident], int]:
        """(what waits for a person, then the other open ones, then with `closed` the closed ones; how many there are).

        The newest of each first, at most `limit` of them all.
        """
        states = ["queue", "open", *(["closed"] if closed else [])]
        commands = [("ZREVRANGE", self.slot.key("moves", state), 0, limit - 1) for state in states]
        counts = [("ZCARD", self.slot.key("moves", state)) for state in states if state != "queue"]  # it is open too
        replies = [sound(reply) for reply in await self.store.calls([*commands, *counts])]
        ids = list(dict.fromkeys(text_of(i) for reply in replies[: len(states)] for i in reply))[:limit]
        rows = await self.store.calls([("HGETALL", self._keys.incident(i)) for i in ids])
        found = [i for row in rows if (i := incident_of(row)) is not None]
        return found, sum(replies[len(states) :])

    async def queue(self) -> list[Incident]:
        """The manual queue: what waits for a person, longest waiting first."""
        ids = await self.store.call("ZRANGE", self.slot.key("moves", "queue"), 0, -1)
        rows = await self.store.calls([("HGETALL", self._keys.incident(text_of(i))) for i in ids])
        return [i for row in rows if (i := incident_of(row)) is not None]

    async def show(self, incident: str) -> tuple[Incident, list[dict[str, Any]]]:
        """An incident and its timeline, oldest first. IncidentUnknown."""
        row, lines = await self.store.calls(
            [("HGETALL", self._keys.incident(incident)), ("LRANGE", self._keys.audit(incident), 0, -1)]
        )
        found = incident_of(row)
        if found is None:
            raise IncidentUnknown(incident)
        return found, [_line(line) for line in sound(lines)]

    async def switch(self) -> KillSwitch | None:
        """The kill switch, None if it is off."""
        return await read_switch(self.store, self._keys.switch)

    async def stop(self, *, actor: str, reason: str) -> bool:
        """Stops all acting. False if it was stopped already: the first owner and reason stay."""
        return await turn_switch(self.store, self._keys.switch, "stop", actor=actor, reason=reason)

    async def start(self, *, actor: str, reason: str) -> bool:
        """Lets it act again; what came due meanwhile is judged afresh. False if nothing was stopped."""
        return await turn_switch(self.store, self._keys.switch, "start", actor=actor, reason=reason)

    async def switch_log(self) -> list[dict[str, Any]]:
        """Who turned the switch, oldest first: {at, verb, actor, reason}."""
        return await switch_log(self.store, self._keys.switch)

    async def pauses(self) -> tuple[PauseReason, ...]:
        """The pause reasons that last, oldest first."""
        row = await self.store.call("HGETALL", self._keys.pauses)
        return reasons_of(hash_of(row), await self.store.time_ms())

    async def pause(self, reason: PauseReason) -> bool:
        """Adds one to the list. False if the list is full."""
        return await add_pause(self.store, self._keys.pauses, reason)

    async def resume(self, id: str, *, actor: str) -> bool:
        """Ends one; what it held is judged afresh. False if there is none of this id."""
        return await end_pause(self.store, self._keys.pauses, id, actor=actor)

    async def prove(self, target: str, proof: Proof) -> None:
        """A backup of the target is stored and verified. By the backup service alone."""
        await self.store.call("HSET", self._keys.proven, target, proof.to_text())

    async def proven(self, target: str) -> Proof | None:
        """What was last proven of a backup's target; None: nothing."""
        raw = await self.store.call("HGET", self._keys.proven, target)
        return Proof.read(text_of(raw)) if raw else None

    def done_key(self, move: str) -> str:
        """Where a move's outcome is kept; the guard's moves lie among the incidents'."""
        return self._keys.done(move)

    @cached_property
    def _keys(self) -> LedgerKeys:
        return LedgerKeys(self.slot)


def _line(raw: Any) -> dict[str, Any]:
    """One line of a timeline. One that is none of ours is shown, and hides no other."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        line = None
    return line if isinstance(line, dict) else {"what": text_of(raw)[:2000]}
