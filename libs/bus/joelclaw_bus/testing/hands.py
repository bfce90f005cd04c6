"""One worker of a bus under test: the real worker's parts, turned by hand instead of by its loops.

A *round* gives every loop one step: read, serve, take over, match, deliver, promote, tick. Nothing waits for anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import anyio

from joelclaw_bus.functions import Functions
from joelclaw_bus.gate import Room
from joelclaw_bus.handlers import Handlers
from joelclaw_bus.inspect.replies import sound
from joelclaw_bus.keys import Slot
from joelclaw_bus.leases import Leases
from joelclaw_bus.limits import Limits
from joelclaw_bus.matcher import Matcher
from joelclaw_bus.observer import Observer
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.publisher import Publisher
from joelclaw_bus.reader import GroupReader
from joelclaw_bus.scheduler import Scheduler
from joelclaw_bus.store import Reader
from joelclaw_bus.suspects import Calm
from joelclaw_bus.takeover import Takeover
from joelclaw_bus.testing.clock import TestClock
from joelclaw_bus.testing.store import MovedStore
from joelclaw_bus.trouble import Trouble
from joelclaw_bus.worker import Worker
from joelclaw_bus.worker_settings import WorkerSettings


class Hands:
    """One incarnation. It never renews a lease: nothing lasts while its clock stands still."""

    def __init__(
        self,
        store: MovedStore,
        functions: Functions,
        settings: WorkerSettings,
        limits: Limits,
        observer: Observer,
        also: tuple[Slot, ...],
    ) -> None:
        assert store.clock is not None
        self.store, self.clock, self.settings = store, store.clock, settings
        self.worker = Worker(store, functions, settings, limits, observer, also, self.clock)
        self.worker.outbox.publisher = Publisher(store, limits=limits, wall=self.clock.seconds)
        unused = cast(Any, None)  # the renewal's connection and thread: never started
        self.leases = Leases(settings.lease_ms, self.worker.consumer, unused, unused, unused)
        self.executor = self.worker.executor(self.leases, self.clock)
        self.schedulers = list(self._schedulers())
        self.pauses = Pauses(store, self.clock.now_ms)

    @property
    def outbox(self) -> Outbox:
        return self.worker.outbox

    async def register(self) -> None:
        """What a worker does once when it starts."""
        for scheduler in self.schedulers:
            await scheduler.register()

    async def round(self, *, ticks: bool) -> int:
        """One step of everything; how much of it was something."""
        moved = 0
        await self.pauses.refresh()
        async with anyio.create_task_group() as tasks:
            handlers = Handlers(tasks, self.executor, self.worker.spells, self.settings.parallel)
            moved += await self._read(handlers)
            moved += await self._take_over(handlers)
        moved += await self._match()
        await self.outbox.posted.drain()
        for slot in await self.slots():
            await self.outbox.sweep(slot)
            moved += (await self.worker.slot_calls.promote(slot)).moved
        await self.outbox.posted.drain()
        if ticks:
            moved += await self._tick()
        return moved

    async def slots(self) -> Sequence[Slot]:
        """Its own, and what others registered: a delayed event may lie where nobody subscribes."""
        names = await self.store.call("HKEYS", self.store.keys.slots)
        return list(dict.fromkeys([*self.worker.slots, *(self.store.keys.slot(n.decode()) for n in sorted(names))]))

    async def heads(self) -> list[float]:
        """When the first of each slot is due, in its due index and in its outbox."""
        slots = await self.slots()
        replies = await self.store.calls(("ZRANGE", k, 0, 0, "WITHSCORES") for s in slots for k in (s.due, s.outbox))
        return [float(sound(reply)[1]) for reply in replies if sound(reply)]

    async def _read(self, handlers: Handlers) -> int:
        read = 0
        for fn, slot in self.worker.groups:
            room: Room = handlers.room(fn)
            if room.used >= room.places or self.pauses.holds(fn.id):
                continue
            reader = GroupReader(
                *(fn, slot, self.worker.consumer, 0.0, room, self.worker.slot_calls),
                *(self.worker.observer, self._patience(), handlers.start, self.pauses),
            )
            await reader.ensure()
            read += await reader.step(cast(Reader, self.store))  # its first step does not block
        return read

    async def _match(self) -> int:
        """Tell the runs that wait what has come for them."""
        w, read = self.worker, 0
        for slot in self.outbox.waits.slots():
            matcher = Matcher(
                *(slot, w.consumer, 0.0, self.settings.lease_ms, self.outbox.waits, w.run_calls, self.clock),
                *(w.observer, self._patience(), self._patience()),
            )
            await self.outbox.waits.ensure_group(slot)
            read += await matcher.step(cast(Reader, self.store))  # as above
        return read

    async def _take_over(self, handlers: Handlers) -> int:
        w = self.worker
        takeover = Takeover(
            *(w.groups, self.executor, w.slot_calls, self.clock, w.observer, self._patience()),
            *(self.settings.lease_ms, self.pauses, self.settings.parallel, handlers.start_again),
            Calm(0, self.clock.local),  # always: who dies here does so because the test wishes it
        )
        taken = await takeover.step()
        while takeover.lane:
            await takeover.lane.serve_next()
        return taken

    async def _tick(self) -> int:
        due = [s for s in self.schedulers if s.upcoming() <= self.clock.now_ms()]
        for scheduler in due:
            await scheduler.step()
        return len(due)

    def _schedulers(self) -> Iterator[Scheduler]:
        w = self.worker
        for fn in w.functions:
            slot = self.store.keys.cron_slot(fn.id)
            for number, trigger in enumerate(fn.cron_triggers):
                yield Scheduler(fn, number, trigger, slot, w.slot_calls, self.clock, w.observer, self._patience())

    def _patience(self) -> Trouble:
        return Trouble(self.worker.spells)


def clock_at(ms: int, store: MovedStore) -> TestClock:
    """A clock that belongs to a store."""
    return TestClock(store, tolerance_ms=float("inf"), at_ms=ms)
