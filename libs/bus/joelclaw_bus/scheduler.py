"""Cron: a tick is (schedule, nominal instant), enqueued once for any number of schedulers.

The mark in the store only moves forward, so there is no chain of ticks that could break; a tick only enqueues.
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
from joelclaw_bus.observer import Observer, TickEnqueued
from joelclaw_bus.slot_calls import Early, SlotCalls, Superseded
from joelclaw_bus.trouble import Trouble
from joelclaw_contracts import Envelope

LATE_MS = 60_000
LONGEST_NAP = 60.0
SHORTEST_NAP = 0.01
MISSED_AT_ONCE = 100


@dataclass
class Scheduler:
    """One cron trigger of one function."""

    fn: Function
    number: int
    trigger: CronTrigger
    slot: Slot
    calls: SlotCalls
    clock: ServerClock
    observer: Observer
    trouble: Trouble
    _generation: int = field(default=0)
    _mark_ms: int = field(default=0)

    @property
    def schedule(self) -> str:
        return f"{self.fn.id}#{self.number}"

    async def run(self) -> None:
        async for _ in self.trouble.attempts(f"tick {self.schedule}"):
            try:
                await self.register()
                self.trouble.answered()
                while await self.step():
                    self.trouble.over()
                return
            except (StoreUnavailable, StoreRefused) as error:
                self.trouble.saw(error)

    async def register(self) -> None:
        registered = await self.calls.register_schedule(
            self.slot,
            self.schedule,
            self.trigger.expression.text,
            generation=self._generation,
            mark_ms=self._mark_ms,
        )
        self._generation, self._mark_ms = registered.generation, registered.mark_ms

    async def step(self) -> bool:
        """Sleep until the next instant and enqueue what is due; False when a newer schedule took our place."""
        upcoming = next(self.trigger.expression.instants(self._mark_ms))
        wait = (upcoming - self.clock.now_ms()) / 1000
        if wait > 0:
            # In naps: the server's clock may be set, and a loss of the mark must be noticed.
            await anyio.sleep(min(wait, LONGEST_NAP))
            return True
        for nominal in self.due():
            answer = await self.enqueue(nominal)
            if isinstance(answer, Superseded):
                if answer.generation > self._generation:
                    return False
                await self.register()
                return True
            if isinstance(answer, Early):
                # Our reckoning runs ahead of the server's clock: to pass the instant now would lose it.
                await anyio.sleep(SHORTEST_NAP)
                return True
            self._mark_ms = nominal
        return True

    def due(self) -> list[int]:
        """The instants since the mark, by the misfire rule; of `all` the first hundred, then the next."""
        now = self.clock.now_ms()
        if self.trigger.misfire == "all":
            missed = takewhile(lambda at: at <= now, self.trigger.expression.instants(self._mark_ms))
            return list(islice(missed, MISSED_AT_ONCE))
        return [self.trigger.expression.latest(now)]

    async def enqueue(self, nominal: int) -> bool | Early | Superseded:
        """Whether this call enqueued the tick."""
        late = max(0, self.clock.now_ms() - nominal)
        skip = self.trigger.misfire == "none" and late > LATE_MS
        tick = Tick(schedule=self.trigger.expression.text, nominal_ms=nominal, late_ms=late)
        envelope = Envelope(data=tick.to_json(), id=f"{self.number}@{nominal}", ts=nominal, source=self.fn.id)
        done = await self.calls.tick(
            self.slot, self.schedule, self._generation, nominal, None if skip else envelope.to_fields()
        )
        if done is True and not skip:
            self.observer.saw(TickEnqueued(self.fn.id, self.schedule, nominal, late))
        return done
