"""A worker whose loops are turned by hand: the parts that `Worker` itself wires, each moved one step when told to.

So that a scenario makes the same calls in the same order each time, and only those that it is about. What runs by
itself are the handlers, and the lane of what was taken over: both wait for work and ask the store nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from joelclaw_bus import Functions, Limits, Slot, Worker, WorkerSettings
from joelclaw_bus.audit.auditor import Auditor
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.errors import BusError, StoreRefused, StoreUnavailable
from joelclaw_bus.handlers import Handlers
from joelclaw_bus.housekeeper import Housekeeper
from joelclaw_bus.leases import Leases
from joelclaw_bus.matcher import Matcher
from joelclaw_bus.observer import Observer
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.posted import Posted
from joelclaw_bus.promoter import Promoter
from joelclaw_bus.reader import GroupReader
from joelclaw_bus.scheduler import Scheduler
from joelclaw_bus.takeover import Takeover
from tests.sweep.faults import FaultyStore
from tests.sweep.ledger import Stopped

TURNED = (GroupReader, Matcher, Takeover, Promoter, Posted, Scheduler, Housekeeper, Auditor)


class Seasoned(ServerClock):
    """The clock of a worker that has known the store for long: nothing keeps it from taking over."""

    def steady_for_ms(self) -> float:
        return float("inf")


class Unwired:
    """Stands where `Worker` starts its loops, and keeps them instead."""

    def __init__(self) -> None:
        self.loops: list[Any] = []

    def start_soon(self, loop: Callable[..., Any], *args: object, name: object = None) -> None:
        owner = getattr(loop, "__self__", None)
        if not isinstance(owner, TURNED) or loop.__name__ not in ("run", "alone", "listen", "recover"):
            raise AssertionError(f"the worker has a loop that the sweep does not turn: {loop}; teach Crank to turn it")
        if owner not in self.loops:
            self.loops.append(owner)

    def all(self, kind: type[Any]) -> list[Any]:
        return [loop for loop in self.loops if isinstance(loop, kind)]


@dataclass
class Crank:
    """Every method is one turn of one part, as its loop would do it: trouble with the store ends the turn."""

    store: FaultyStore
    worker: Worker
    leases: Leases
    parts: Unwired
    troubles: list[BusError] = field(default_factory=list)
    stopping: bool = False
    _ensured: set[int] = field(default_factory=set)
    _registered: set[str] = field(default_factory=set)

    @contextmanager
    def trying(self) -> Iterator[None]:
        try:
            yield
        except (StoreUnavailable, StoreRefused) as error:
            self.troubles.append(error)

    async def read(self) -> None:
        """Every reader looks once for new entries; what they brought is served to its end."""
        await self.begin_reading()
        await self.handled()

    async def begin_reading(self) -> None:
        """The same, and the handlers are at work."""
        for reader in self.parts.all(GroupReader):
            if reader.pauses.holds(reader.fn.id):
                continue
            with self.trying():
                if id(reader) not in self._ensured:
                    await reader.ensure()
                self._ensured.discard(
                    id(reader)
                )  # after trouble its loop comes back with a new client, and ensures anew
                reader.last_cycle = float("-inf")  # the first cycle does not wait
                await reader.step(self.store)
                self._ensured.add(id(reader))

    async def handled(self, unless: anyio.Event | None = None) -> None:
        """All that is in hand came to its end; `unless` a handler says that it won't."""
        async with anyio.create_task_group() as either:

            async def first(wait: Callable[[], Awaitable[object]]) -> None:
                await wait()
                either.cancel_scope.cancel()

            either.start_soon(first, self.leases.emptied)
            if unless:
                either.start_soon(first, unless.wait)
        await anyio.lowlevel.checkpoint()

    async def match(self) -> None:
        """Every matcher looks once for events that runs wait for."""
        for matcher in self.parts.all(Matcher):
            with self.trying():
                if id(matcher) not in self._ensured:
                    await matcher.waits.ensure_group(matcher.slot)
                self._ensured.discard(id(matcher))
                matcher.last_cycle = float("-inf")
                await matcher.step(self.store)
                self._ensured.add(id(matcher))

    async def rematch(self) -> None:
        """Every matcher follows up what one that died had read."""
        for matcher in self.parts.all(Matcher):
            with self.trying():
                await matcher._take_over()

    async def deliver(self) -> None:
        """What the scripts posted is delivered, as `Posted.run` does it: what fails stays for the sweep."""
        before = -1
        while before < len(self.troubles):  # each trouble has cost one item, so this ends
            before = len(self.troubles)
            with self.trying():
                await self.worker.outbox.posted.drain()

    async def take_over(self) -> None:
        """One look at every group."""
        (takeover,) = self.parts.all(Takeover)
        with self.trying():
            await takeover.step()
        await self.handled()

    async def sweep(self) -> None:
        """The promoter's sweep: all due indexes and outboxes, also of slots that nobody reads."""
        (promoter,) = self.parts.all(Promoter)
        promoter._swept_ms, promoter._sweeps = 0, 0  # one in which the outboxes have their turn too
        with self.trying():
            await promoter.step()

    async def promote(self, name: str) -> None:
        """What a nudge brings about: this slot's head is due."""
        (promoter,) = self.parts.all(Promoter)
        promoter._swept_ms = promoter.clock.now_ms()
        promoter.heads = {name: 0}
        with self.trying():
            await promoter.step()

    async def register(self) -> None:
        """Its first heartbeat, before it has read anything: it says which slots and functions there are."""
        (keeper,) = self.parts.all(Housekeeper)
        await keeper.heartbeat()

    async def keep_house(self) -> None:
        (keeper,) = self.parts.all(Housekeeper)
        with self.trying():
            await keeper.heartbeat()
            await keeper.sweep()

    async def audit(self) -> None:
        """One round of the auditor, by the worker that sweeps."""
        (auditor,) = self.parts.all(Auditor)
        auditor.walk.confirmed.patience_ms = 0  # between two turns nothing is under way
        auditor.pages.waits.patience_ms = 0
        with self.trying():
            await auditor.round()

    async def tick(self) -> None:
        """Every schedule enqueues what is due by now."""
        for scheduler in self.parts.all(Scheduler):
            with self.trying():
                if scheduler.schedule not in self._registered:
                    self._registered |= {scheduler.schedule} if await scheduler.register() else set()
                while next(scheduler.trigger.expression.instants(scheduler._mark_ms)) <= scheduler.clock.now_ms():
                    if not await scheduler.step():
                        break

    def renew(self) -> None:
        """One round of the renewal, which has a thread of its own in a real worker."""
        with self.trying():
            self.leases.renew()

    async def round(self, *, audit: bool) -> None:
        """Everything once: what a whole worker does within a second, and within a minute the auditor."""
        await self.take_over()
        await self.tick()
        await self.read()
        await self.deliver()
        await self.match()
        await self.rematch()
        await self.sweep()
        await self.keep_house()
        if audit:
            await self.audit()
        await self.read()
        await self.deliver()


@asynccontextmanager
async def crank(
    store: FaultyStore,
    functions: Functions,
    observer: Observer,
    *,
    settings: WorkerSettings,
    limits: Limits,
    also: tuple[Slot, ...] = (),
) -> AsyncIterator[Crank]:
    """A worker to turn. Leaving the block with `stopping` set is a stop in good order; else its tasks just end."""
    clock = Seasoned(store, tolerance_ms=settings.lease_ms / 4)
    worker = Worker(store, functions, settings, limits, observer, also, clock)
    worker.leases = leases = worker.renewal(clock)
    parts = Unwired()
    turned = Crank(store, worker, leases, parts)
    try:
        async with anyio.create_task_group() as tasks:
            handlers = Handlers(tasks, worker.executor(leases, clock), worker.spells, settings.parallel)
            crew = worker._gather(clock)
            crew.pauses = Pauses(store, clock.now_ms, {})  # as one that has read them at its start
            takeover = crew.start(parts, handlers)  # type: ignore[arg-type]  # it stands for the group
            tasks.start_soon(takeover.alone)
            yield turned
            if turned.stopping:
                takeover.abandon()
            tasks.cancel_scope.cancel()
        if turned.stopping:
            store.ledger.add(Stopped())
            await worker._leave()
    finally:
        leases.stop()
        worker.outbox.posted.close()
