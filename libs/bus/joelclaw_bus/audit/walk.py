"""A walk over all keys: what no index names, what nobody would ever clear, and what is not what it should be.

| a key                                             | rule              | repair                               |
|---------------------------------------------------|-------------------|--------------------------------------|
| a run's record                                    | see judge         | see judge                            |
| that must expire, and has no expiry               | never-expires     | it gets one                          |
| a generation of ids that its index does not name  | ids-unlisted      | it is named again                    |
| of another type than it should be                 | wrong-type        | none: nobody knows what it was       |
| of a slot that is not registered                  | slot-unregistered | registered: so it is promoted, swept |
| a permit                                          | see permits       | see permits                          |
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from joelclaw_bus.audit.calls import END, PER_PAGE, AuditCalls
from joelclaw_bus.audit.judge import Finding
from joelclaw_bus.audit.pages import Pages
from joelclaw_bus.audit.permits import PermitAudit
from joelclaw_bus.audit.told import Confirmed
from joelclaw_bus.errors import StoreRefused, StoreUnavailable
from joelclaw_bus.key_kinds import Kind, kind_of
from joelclaw_bus.keys import Slot
from joelclaw_bus.leases import PERMIT_LEASES
from joelclaw_bus.trouble import is_away

KEYS_PER_PAGE = 500
SERVED = {"open", "due", "due items", "outbox", "outbox items", "run", "ready"}
"""Kinds that somebody must look after: a slot that has one must be registered."""
EXPIRES = {"ids of a generation", "ids", "claimer", "auditor", "buried", "sweeper", "confirmed"}


@dataclass
class Walk:
    """One page at a time; the cursor is kept from turn to turn. lease_ms: of this worker, a claimer's bound."""

    calls: AuditCalls
    pages: Pages
    permits: PermitAudit
    confirmed: Confirmed
    lease_ms: int
    cursor: str = END
    _nodes: list[str] = field(default_factory=list)
    _whole: bool = True
    _places: set[str] = field(default_factory=set)

    async def page(self) -> bool:
        """The next keys; whether the walk has come to its end."""
        store = self.calls.store
        if not self._nodes:
            self._nodes, self.cursor, self._whole = await store.node_names(), END, True
        try:
            cursor, keys = await store.call("SCAN", self.cursor, "COUNT", KEYS_PER_PAGE, node=self._nodes[-1])
        except StoreUnavailable:
            # It may have left the cluster for good: the others have their turn, and the next walk asks who there is.
            self._nodes.pop()
            self.cursor, self._whole = END, False
            raise
        ours = {}
        for raw in dict.fromkeys(keys):
            key = raw.decode("utf-8", "backslashreplace")
            kind = kind_of(key, store.keys.prefix)
            if kind and key.startswith("{"):
                ours[key] = kind
        self.cursor = cursor.decode()  # before the look: what the store refuses there must not stop the walk
        if self.cursor == END:
            self._nodes.pop()
        try:
            await self._look(ours)
        finally:
            if not self._nodes and self._whole:  # what a silent node holds is not gone
                self.confirmed.passed()
                for place in self._places:
                    self.pages.told.passed((place, "walk"))
        return not self._nodes

    async def _look(self, ours: dict[str, Kind]) -> None:
        facts = await self._ask(part for key in ours for part in (("TYPE", key), ("PTTL", key)))
        now = await self.calls.store.time_ms()
        registered = set(await self.calls.store.call("HKEYS", self.calls.keys.slots))
        runs: dict[str, list[str]] = {}
        permits: dict[str, Slot] = {}
        for (key, kind), is_, ttl in zip(ours.items(), facts[::2], facts[1::2], strict=True):
            slot = Slot(kind.tag.removeprefix(self.calls.keys.prefix), self.calls.keys.prefix)
            if is_ == b"none":
                continue  # it expired just now
            if is_.decode() != kind.type:
                self._tell(slot, [Finding("wrong-type", f"{key} is a {is_.decode()}, not a {kind.type}", "left")])
                continue
            if kind.row in SERVED and slot.name.encode() not in registered:
                await self._register(slot, now)
            if kind.row == "run":
                runs.setdefault(slot.name, []).append(key.removeprefix(slot.run("")))
            elif kind.row in EXPIRES and ttl == -1:
                await self._expire(slot, key, kind)
            elif kind.row in ("permits", "waiters", "claims"):
                permits.setdefault(key.removesuffix(":claims").replace("}:waiters:", "}:permits:"), slot)
            if kind.row == "ids of a generation":
                await self._relist(slot, key, now)
        for key, slot in permits.items():
            self._tell(slot, await self.permits.look(key, await self._permit_ttl(slot), now))
        for name, named in runs.items():
            for first in range(0, len(named), PER_PAGE):
                await self._runs(self.calls.keys.slot(name), named[first : first + PER_PAGE])

    async def _runs(self, slot: Slot, named: list[str]) -> None:
        """Those of them that are not listed: the others have their turn in their slot's pass."""
        try:
            _, seen = await self.calls.runs(slot, "", named)
        except StoreRefused as error:
            if is_away(error):
                raise
            return  # a key of a wrong type: told by itself, and by the slot's own pass
        self._places.add(slot.name)
        await self.pages.judge_runs(slot, "walk", [r for r in seen if not r.listed])

    async def _register(self, slot: Slot, now: int) -> None:
        """A worker that starts writes before its first heartbeat names its slots: only what stays so is lost."""
        if not self.confirmed.holds(("slot", slot.name), now):
            return
        if await self.calls.store.call("HSETNX", self.calls.keys.slots, slot.name, now):
            self._tell(slot, [Finding("slot-unregistered", slot.name, "repaired")])

    async def _expire(self, slot: Slot, key: str, kind: Kind) -> None:
        limits = self.calls.limits
        lives = dict.fromkeys(("claimer", "auditor", "sweeper", "confirmed"), self.lease_ms)
        lives |= {"buried": limits.buried_ms}
        life = max(1, lives.get(kind.row, _life(limits.dedupe_ms)))
        if await self.calls.store.call("PEXPIRE", key, life, "NX"):
            self._tell(slot, [Finding("never-expires", key, "repaired")])

    async def _relist(self, slot: Slot, key: str, now: int) -> None:
        """A generation that its index lost: its start is not known, its last entry is."""
        number = key.rpartition(":")[2]
        if await self.calls.store.call("ZSCORE", slot.ids, number) is not None:
            return
        life, left = _life(self.calls.limits.dedupe_ms), await self.calls.store.call("PTTL", key)
        if left == -2:
            return
        if await self.calls.store.call("ZADD", slot.ids, "NX", now - max(0, life - max(left, 0)), number):
            await self.calls.store.call("PEXPIRE", slot.ids, life, "NX")
            self._tell(slot, [Finding("ids-unlisted", number, "repaired")])

    async def _permit_ttl(self, slot: Slot) -> int:
        """An exclusive permit lasts until it is given back (0); others as long as their worker renews them, ms."""
        raw = await self.calls.store.call("HGET", self.calls.keys.functions, slot.name.removeprefix("fn/"))
        try:
            exclusive = json.loads(raw or b"{}").get("exclusive")
        except (ValueError, AttributeError, RecursionError):  # anyone may write there
            exclusive = None
        return 0 if exclusive else PERMIT_LEASES * self.lease_ms

    def _tell(self, slot: Slot, found: list[Finding]) -> None:
        self._places.add(slot.name)
        self.pages.tell(slot.name, "walk", found)

    async def _ask(self, commands: Iterable[tuple[str, str]]) -> list[Any]:
        replies = await self.calls.store.calls(commands)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies


def _life(window_ms: int) -> int:
    """How long a generation of ids is kept after its last entry: as in lua/lib/ids.lua."""
    return -(-window_ms * 26 // 24)
