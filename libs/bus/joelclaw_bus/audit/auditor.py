"""The auditor's loop: its own slots, the orphans when it is the elected sweeper, and then all keys; slowly.

A slot is audited by one worker at a time: who has its turn keeps it while it comes back in time. A round reads at most
so many pages of a slot and leaves a pause between two, so that a million open runs cost the store a few per cent of one
core; the next round goes on where this one stopped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import anyio

from joelclaw_bus.audit.calls import AuditCalls
from joelclaw_bus.audit.pages import Pages
from joelclaw_bus.audit.permits import PermitAudit
from joelclaw_bus.audit.told import Confirmed
from joelclaw_bus.audit.waits import WaitAudit
from joelclaw_bus.audit.walk import Walk
from joelclaw_bus.errors import StoreRefused, StoreUnavailable
from joelclaw_bus.keys import Slot
from joelclaw_bus.limits import Limits
from joelclaw_bus.observer import Observer, Stuck, Unstuck
from joelclaw_bus.store import Store
from joelclaw_bus.trouble import Trouble, is_away
from joelclaw_contracts import NameInvalid

PAGES = 100
PAUSE = 0.02
CONFIRM_LEASES = 4
"""A verdict over two slots must hold for so long: what one of them owes the other is under way for seconds at most."""


@dataclass
class Auditor:
    """`own`: the slots this worker answers for; every: seconds between two rounds."""

    own: list[Slot]
    store: Store
    limits: Limits
    observer: Observer
    consumer: str
    lease_ms: int
    every: float
    _stuck: set[str] = field(default_factory=set)
    _passes: set[tuple[str, str]] = field(default_factory=set)
    """(slot, what of it) whose last whole pass, or the present one, met a refusal."""
    _refused: set[tuple[str, str]] = field(default_factory=set)
    """Those of the present pass."""

    def __post_init__(self) -> None:
        self.calls = AuditCalls(self.store, self.limits)
        patience_ms = CONFIRM_LEASES * self.lease_ms
        self.pages, confirmed = (
            Pages(self.calls, self.observer, WaitAudit(self.calls, patience_ms)),
            Confirmed(patience_ms),
        )
        self.walk = Walk(self.calls, self.pages, PermitAudit(self.calls, confirmed), confirmed, self.lease_ms)

    async def run(self, trouble: Trouble) -> None:
        async for _ in trouble.attempts("audit"):
            try:
                await self.round()
                trouble.over()
            except (StoreUnavailable, StoreRefused) as error:
                trouble.saw(error)
            await anyio.sleep(self.every)

    async def round(self) -> None:
        """One round over all that is this worker's to audit. StoreUnavailable."""
        functions = frozenset(f.decode() for f in await self.store.call("HKEYS", self.store.keys.functions))
        sweeps = await self.store.call("GET", self.store.keys.sweeper) == self.consumer.encode()
        for slot in [*self.own, *(await self._orphans() if sweeps else ())]:
            if await self._has_turn(slot):
                await self._all(slot, "runs", partial(self.pages.runs, slot))
                await self._all(slot, "due", partial(self.pages.due, slot))
                await self._all(slot, "outbox", partial(self.pages.outbox, slot))
                await self._all(slot, "slot", partial(self.pages.slot, slot, functions))
                self._tell_over(slot)
        if sweeps:
            await self._all(self.store.keys.bus, "walk", self.walk.page)
            self._tell_over(self.store.keys.bus)

    async def _orphans(self) -> list[Slot]:
        own, orphans = {slot.name for slot in self.own}, []
        for raw in sorted(await self.store.call("HKEYS", self.store.keys.slots)):
            name = raw.decode("utf-8", "backslashreplace")
            try:
                slot = self.store.keys.slot(name)
            except NameInvalid:
                continue  # the promoter tells it
            if name not in own:
                orphans.append(slot)
        return orphans

    async def _has_turn(self, slot: Slot) -> bool:
        lasts = round(max(3 * self.every * 1000, self.lease_ms))
        if await self.store.call("SET", slot.auditor, self.consumer, "NX", "PX", lasts):
            return True
        if await self.store.call("GET", slot.auditor) != self.consumer.encode():
            return False
        await self.store.call("PEXPIRE", slot.auditor, lasts)
        return True

    async def _all(self, slot: Slot, part: str, page: Callable[[], Awaitable[bool]]) -> None:
        """Page after page until the pass ends; of a long one so many a round. What the store refuses of one slot (a key
        of a wrong type) is told once, and the others have their turn."""
        for _ in range(PAGES):
            try:
                ended = await page()
            except StoreRefused as error:
                if is_away(error):
                    raise
                self._refused.add((slot.name, part))
                self._passes.add((slot.name, part))
                if slot.name not in self._stuck:
                    self._stuck.add(slot.name)
                    self.observer.saw(Stuck(slot.name, "audit", str(error)))
                return
            if ended:
                if (slot.name, part) not in self._refused:
                    self._passes.discard((slot.name, part))
                self._refused.discard((slot.name, part))
                return
            await anyio.sleep(PAUSE)

    def _tell_over(self, slot: Slot) -> None:
        """When whole passes over all of it met no refusal."""
        if slot.name in self._stuck and not any(name == slot.name for name, _ in self._passes):
            self._stuck.discard(slot.name)
            self.observer.saw(Unstuck(slot.name, "audit"))
