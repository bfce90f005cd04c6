"""What a store may not hold when a test is over: the table of `keys.py` and DESIGN 11, held against every key.

All of it must be true at any moment, also while runs are open and a worker was just killed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import redis

from joelclaw_bus.key_kinds import Kind, kind_of
from joelclaw_bus.keys import Slot
from joelclaw_bus.slot_calls.permits import read_claim
from tests.support.server import MARK

EXPIRES = {"ids", "ids of a generation", "claimer", "auditor", "buried", "sweeper", "confirmed", "rate", "debounce"}


@dataclass
class Leftovers:
    """One look at a whole store, or at the keys that match `only`. `client` decodes nothing."""

    client: redis.Redis
    prefix: str = ""
    only: str | None = None
    _kinds: dict[str, Kind] = field(default_factory=dict)

    def complaints(self) -> list[str]:
        """One line for each key that is not as the table says."""
        found: list[str] = []
        for raw in self.client.scan_iter(self.only, count=1000):
            key = raw.decode("utf-8", "surrogateescape")
            if key == MARK:
                continue
            kind = kind_of(key, self.prefix)
            if kind is None:
                found.append(f"{key}: keys.py does not know it")
            elif (is_ := self.client.type(raw).decode()) != kind.type:
                if is_ != "none":  # it expired just now
                    found.append(f"{key}: is a {is_}, and should be a {kind.type}")
            else:
                self._kinds[key] = kind
        for key, kind in self._kinds.items():
            found += [f"{key}: {what}" for what in self._wrong(key, kind)]
        return found

    def _wrong(self, key: str, kind: Kind) -> Iterator[str]:
        slot = Slot(kind.tag.removeprefix(self.prefix), self.prefix)
        if kind.row in EXPIRES and self.client.ttl(key) == -1:
            yield "has no expiry"
        match kind.row:
            case "run":
                yield from self._run(key, slot)
            case "open":
                for run in self._members(key):
                    if self._state(slot, run) in (None, "ended"):
                        yield f"names {run}, which is {self._state(slot, run) or 'not there'}"
            case "due" | "due items":
                members = {m[2:] for m in self._members(slot.due) if m.startswith("e:")}
                items = {f.decode() for f in self.client.hkeys(slot.due_items)}
                if members != items:
                    yield f"the index and the bodies differ by {sorted(members ^ items)}"
            case "outbox" | "outbox items":
                members = set(self._members(slot.outbox))
                fields = {f.decode() for f in self.client.hkeys(slot.outbox_items)}
                items = {f for f in fields if not (f.startswith("#") and f[1:] in fields)}
                if members != items:
                    yield f"the index and the bodies differ by {sorted(members ^ items)}"
            case "waits" | "waits items" | "waits index":
                yield from self._waits(slot)
            case "claims":
                stray = {f.decode() for f in self.client.hkeys(key)} - set(self._members(key.removesuffix(":claims")))
                if stray:
                    yield f"has claims to no permit: {sorted(stray)}"
            case "permits" | "waiters":
                on_their_way = self._on_their_way()
                for member in self._members(key):
                    name, _, run = member.partition("|")
                    state = self._state(Slot(name, self.prefix), run)
                    expires = kind.row == "permits" and self.client.zscore(key, member) != float("inf")
                    if state == "ended" and kind.row == "permits" and self._may_be_at_work(key, member):
                        continue
                    if state in (None, "ended") and member not in on_their_way and not expires:
                        yield f"holds {member}, which is {state or 'not there'}"

    def _may_be_at_work(self, permits: str, member: str) -> bool:
        """Whether the handler that took an exclusive permit may not have stopped, though its run ended elsewhere."""
        claim, until = read_claim(self.client.hget(f"{permits}:claims", member))
        name, _, run = member.partition("|")
        by = (self.client.hget(Slot(name, self.prefix).run(run), "by") or b"").decode()
        seconds, micros = self.client.time()
        return until > seconds * 1000 + micros // 1000 and claim != by

    def _waits(self, slot: Slot) -> Iterator[str]:
        ids = set(self._members(slot.waits))
        bodies = {f.decode(): json.loads(v) for f, v in self.client.hgetall(slot.wait_items).items()}
        if ids != set(bodies):
            yield f"the waits and their bodies differ by {sorted(ids ^ set(bodies))}"
        index = {f"{body['key']}:{name}" for name, body in bodies.items()}
        if index != set(self._members(slot.wait_index)):
            yield f"the index differs by {sorted(index ^ set(self._members(slot.wait_index)))}"
        forms = {f.decode(): int(n) for f, n in self.client.hgetall(slot.wait_forms).items()}
        if forms != Counter(body["form"] for body in bodies.values()):
            yield f"the forms in use are {forms}, and the waits say otherwise"
        way = self._on_their_way()
        for name, body in bodies.items():
            state = self._state(Slot(body["slot"], self.prefix), body["run"])
            if (
                state != "waiting"
                and name not in way
                and float(self.client.zscore(slot.waits, name) or 0) > body["ends_ms"]
            ):
                yield f"{name} waits for ever"

    def _run(self, key: str, slot: Slot) -> Iterator[str]:
        record = {k.decode(): v.decode("utf-8", "replace") for k, v in self.client.hgetall(key).items()}
        if not record:
            return
        run, state, ttl = record["run"], record["state"], self.client.ttl(key)
        if state == "ended":
            if ttl == -1:
                yield "has ended and has no expiry"
            return
        if ttl != -1:
            yield "is open and expires"
        if self.client.zscore(slot.open, run) is None:
            yield f"is {state} and not among the open runs"
        if state in ("due", "held", "waiting") and self.client.zscore(slot.due, "r:" + run) != float(record["due"]):
            yield f"is {state} and will not be woken then"
        if state == "queued" and record["at"].startswith("r"):
            entry = record["at"][1:]
            if not self.client.xrange(slot.ready(record["fn"]), entry, entry):
                yield "is queued, and its entry is not on the ready stream"

    def _members(self, key: str) -> list[str]:
        return [m.decode() for m in self.client.zrange(key, 0, -1)]

    def _state(self, slot: Slot, run: str) -> str | None:
        state = self.client.hget(slot.run(run), "state")
        return state.decode() if state else None

    def _on_their_way(self) -> set[str]:
        """Members whose release or wake-up lies in an outbox: it will be delivered."""
        way = set()
        for key, kind in self._kinds.items():
            if kind.row == "outbox items":
                for name, raw in self.client.hgetall(key).items():
                    if not name.startswith(b"#"):
                        item = json.loads(raw)
                        way |= {item.get("run", ""), f"{item.get('target')}|{item.get('run')}"}
        return way
