"""Taking over what dead workers left: quiet or busy, the cursor followed to its end, one claimer a group.

Nobody claims for one lease after a discontinuity, so that owners can renew first. What is taken over runs alone, one
entry at a time in this process: a poison then kills nothing but itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from joelclaw_bus.clock import ServerClock
from joelclaw_bus.door import Incoming
from joelclaw_bus.errors import GroupMissing, StoreRefused, StoreUnavailable
from joelclaw_bus.execute import Executor
from joelclaw_bus.functions import Function
from joelclaw_bus.keys import Slot
from joelclaw_bus.leases import Held
from joelclaw_bus.observer import Discontinuity, Observer, TakenOver
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.slot_calls import Jumped, NotClaimer, SlotCalls
from joelclaw_bus.trouble import Trouble, is_away

PAGE = 16
ALONE_LEASES = 5


@dataclass
class Takeover:
    """The recovery loop of one worker, over all its functions."""

    groups: list[tuple[Function, Slot]]
    executor: Executor
    calls: SlotCalls
    clock: ServerClock
    observer: Observer
    trouble: Trouble
    lease_ms: int
    pauses: Pauses
    start: Callable[[Function, Incoming, Held, anyio.Event], None]
    _lane: list[tuple[Function, Incoming, Held]] = field(default_factory=list)
    _filled: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        """Look every third of a lease."""
        async for _ in self.trouble.attempts("take over"):
            try:
                await self.step()
                self.trouble.over()
            except GroupMissing:
                self.trouble.answered()  # its reader makes it anew
            except (StoreUnavailable, StoreRefused) as error:
                self.trouble.saw(error)
            await anyio.sleep(self.lease_ms / 3000)

    async def step(self) -> int:
        """One look at every group; how many entries were taken over."""
        why = await self.clock.sync()
        if why:
            self.observer.saw(Discontinuity(self.calls.store.where, why))
        taken, refused = 0, list[StoreRefused]()
        for fn, slot in self.groups:
            if self.pauses.holds(fn.id):
                continue
            for ready in (False, True):
                if len(self._lane) < PAGE and self.clock.steady_for_ms() > self.lease_ms:
                    try:
                        taken += await self._group(fn, slot, ready)
                    except StoreRefused as error:  # one group's trouble must not keep the others from being recovered
                        if is_away(error):
                            raise
                        refused.append(error)
        if refused:
            raise refused[0]
        return taken

    async def _group(self, fn: Function, slot: Slot, ready: bool) -> int:
        stream = slot.ready(fn.id) if ready else slot.stream
        cursor, taken, lost = "0-0", 0, list[str]()
        while True:
            page = await self.calls.takeover(
                slot,
                stream,
                fn.id,
                self.executor.consumer,
                lease_ms=self.lease_ms,
                cursor=cursor,
                count=PAGE,
                at_ms=self.clock.now_ms(),
            )
            if isinstance(page, NotClaimer):
                break
            if isinstance(page, Jumped):
                self.clock.disturbed()
                self.observer.saw(Discontinuity(self.calls.store.where, "a takeover arrived late"))
                break
            for entry, fields in page.entries:
                incoming = Incoming(slot, entry, fields, ready, again=True)
                held = self.executor.take(fn, incoming)
                if held:
                    self._lane.append((fn, incoming, held))
                    self._filled.set()
                    taken += 1
            lost += page.deleted
            cursor = page.cursor
            if cursor == "0-0" or len(self._lane) >= PAGE:
                break
        if taken or lost:
            self.observer.saw(TakenOver(fn.id, stream, taken, tuple(lost)))
        return taken

    def abandon(self) -> None:
        """Let go of what was taken over and has not begun: for a worker that stops."""
        for _, _, held in self._lane:
            self.executor.leases.drop(held)
        self._lane.clear()

    async def alone(self) -> None:
        """Run what was taken over, one at a time; one that takes long lets the next begin after some leases."""
        while True:
            while not self._lane:
                self._filled = anyio.Event()
                await self._filled.wait()
            await self.serve_next()

    @property
    def waiting(self) -> int:
        """How many were taken over and have not begun."""
        return len(self._lane)

    async def serve_next(self) -> None:
        """Begin the next one, and wait for its end; but not for ever."""
        fn, incoming, held = self._lane.pop(0)
        done = anyio.Event()
        self.start(fn, incoming, held, done)
        with anyio.move_on_after(ALONE_LEASES * self.lease_ms / 1000):
            await done.wait()
