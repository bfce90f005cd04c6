"""Cron: a tick is (schedule, nominal instant), enqueued once for any number of schedulers.

The mark in the store only moves forward, so there is no chain of ticks that could break; a tick only enqueues.

Of two expressions for one schedule the one whose process first registered later stands. The others stay and look again:
when it is theirs once more, was lost, or nobody stood for it any more, they go on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice, takewhile

import anyio

from joelclaw_bus.clock import ServerClock
from joelclaw_bus.errors import StoreRefused, StoreUnavailable
from joelclaw_bus.event import Tick
from joelclaw_bus.functions import CronTrigger, Function
from joelclaw_bus.keys import Slot
from joelclaw_bus.observer import AuditFound, Observer, TickEnqueued
from joelclaw_bus.slot_calls import Early, ScheduleCalls, Superseded
from joelclaw_bus.trouble import Trouble
from joelclaw_contracts import Envelope

LATE_MS = 60_000
LONGEST_NAP = 60.0
SHORTEST_NAP = 0.01
MISSED_AT_ONCE = 100
LOOK_AGAIN = 30.0
SILENT_MS = 300_000
"""After which a schedule is abandoned: five naps. With each nap and tick its schedulers say they are there."""


@dataclass
class Scheduler:
    """One cron trigger of one function."""

    fn: Function
    number: int
    trigger: CronTrigger
    slot: Slot
    calls: ScheduleCalls
    clock: ServerClock
    observer: Observer
    trouble: Trouble
    _generation: int = field(default=0)
    _mark_ms: int = field(default=0)
    _first_us: int = field(default=0)

    @property
    def schedule(self) -> str:
        return f"{self.fn.id}#{self.number}"

    async def run(self) -> None:
        async for _ in self.trouble.attempts(f"tick {self.schedule}"):
            try:
                ours = await self.register()
                self.trouble.answered()
                while ours and await self.step():
                    self.trouble.over()
                # Superseded. It never ends: the one that took its place may go, and then nobody would tick.
                self.trouble.over()
                await anyio.sleep(LOOK_AGAIN)
            except (StoreUnavailable, StoreRefused) as error:
                self.trouble.saw(error)

    async def register(self) -> bool:
        """Say what we stand for; whether it stands."""
        registered = await self.calls.register_schedule(
            self.slot,
            self.schedule,
            self.trigger.expression.text,
            generation=self._generation,
            mark_ms=self._mark_ms,
            first_us=self._first_us,
            silent_ms=SILENT_MS,
        )
        self._first_us = registered.first_us
        if registered.lost:
            self.observer.saw(AuditFound(self.slot.name, "schedule-lost", (self.schedule,), "repaired"))
        if registered.ours:  # else we'd put back the other's generation and mark if the store lost them
            self._generation, self._mark_ms = registered.generation, registered.mark_ms
        return registered.ours

    async def step(self) -> bool:
        """Sleep until the next instant and enqueue what is due; False when a newer schedule took our place."""
        wait = (self.upcoming() - self.clock.now_at(self.slot.stream)) / 1000
        if wait > 0:
            # In naps: a loss of the mark must be noticed.
            await self.clock.nap(min(wait, LONGEST_NAP))
            return wait <= LONGEST_NAP or await self.register()
        for nominal in self.due():
            answer = await self.enqueue(nominal)
            if isinstance(answer, Superseded):
                return await self.register()
            if isinstance(answer, Early):
                # Our reckoning runs ahead of the server's clock: to pass the instant now would lose it.
                await anyio.sleep(SHORTEST_NAP)
                return True
            self._mark_ms = nominal
        return True

    def upcoming(self) -> int:
        """The nominal instant after the mark."""
        return next(self.trigger.expression.instants(self._mark_ms))

    def due(self) -> list[int]:
        """The instants since the mark, by the misfire rule; of `all` the first hundred, then the next."""
        now = self.clock.now_at(self.slot.stream)
        if self.trigger.misfire == "all":
            missed = takewhile(lambda at: at <= now, self.trigger.expression.instants(self._mark_ms))
            return list(islice(missed, MISSED_AT_ONCE))
        return [self.trigger.expression.latest(now)]

    async def enqueue(self, nominal: int) -> bool | Early | Superseded:
        """Whether this call enqueued the tick."""
        late = max(0, self.clock.now_at(self.slot.stream) - nominal)
        skip = self.trigger.misfire == "none" and late > LATE_MS
        tick = Tick(schedule=self.trigger.expression.text, nominal_ms=nominal, late_ms=late)
        envelope = Envelope(data=tick.to_json(), id=f"{self.number}@{nominal}", ts=nominal, source=self.fn.id)
        done = await self.calls.tick(
            self.slot, self.schedule, self._generation, nominal, None if skip else envelope.to_fields()
        )
        if done is True and not skip:
            self.observer.saw(TickEnqueued(self.fn.id, self.schedule, nominal, late))
        return done
