"""One process's share of the bus: readers, recovery, promotion, cron and chores, in one task group.

    async with open_store(StoreSettings(url)) as store:
        await Worker(store, functions).run(stop=anyio.Event())

Stopping lets running handlers end within a grace; what they could not end is handed back, so that others take it over
at once rather than after a lease.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from joelclaw_bus.clock import ServerClock
from joelclaw_bus.crew import Crew
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.door import Door
from joelclaw_bus.errors import BusError
from joelclaw_bus.execute import Executor
from joelclaw_bus.functions import Function, Functions
from joelclaw_bus.handlers import Handlers, many_tasks
from joelclaw_bus.keys import WAITS_GROUP, Slot
from joelclaw_bus.leases import Leases
from joelclaw_bus.left_alone import LeftAlone
from joelclaw_bus.limits import Limits
from joelclaw_bus.many import Companies
from joelclaw_bus.observer import Observer, Unobserved
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.permits import Permits
from joelclaw_bus.publisher import Publisher
from joelclaw_bus.run_calls import RunCalls
from joelclaw_bus.run_names import consumer_name
from joelclaw_bus.settle import Settler
from joelclaw_bus.slot_calls import SlotCalls
from joelclaw_bus.starts import Starts
from joelclaw_bus.store import Store
from joelclaw_bus.trouble import Spells, Trouble
from joelclaw_bus.worker_settings import WorkerSettings


@dataclass(frozen=True, slots=True)
class Health:
    """`alive`: the loop turns and may be kept; `ready`: every reader's last cycle ended in time; ages in seconds."""

    alive: bool
    ready: bool
    reasons: tuple[str, ...]
    in_flight: int
    last_cycle_age: float


@dataclass
class Worker:
    """Runs the functions. `also`: further slots whose outbox and due index this worker answers for (incidents)."""

    store: Store
    functions: Functions
    settings: WorkerSettings = WorkerSettings()
    limits: Limits = Limits()
    observer: Observer = field(default_factory=Unobserved)
    also: tuple[Slot, ...] = ()
    clock: ServerClock | None = None

    def __post_init__(self) -> None:
        s, keys = self.settings, self.store.keys
        self.consumer = consumer_name(socket.gethostname(), os.getpid(), secrets.token_hex(4))
        self.slot_calls = SlotCalls(self.store, self.limits)
        self.run_calls = RunCalls(self.store, self.limits, Companies(self.store, self.limits))
        self.clock = self.clock or ServerClock(self.store, tolerance_ms=s.lease_ms / 4)
        self.spells = Spells(self.store.where, self.observer, self.clock.disturbed)
        self._chores = Trouble(self.spells)
        self.publisher = Publisher(self.store, limits=self.limits)
        self.outbox = Outbox(self.slot_calls, self.publisher, self.observer, self.functions.awaited)
        self.groups: list[tuple[Function, Slot]] = []
        for fn in self.functions:
            self.groups += [(fn, keys.slot(t.name)) for t in fn.event_triggers]
            if fn.cron_triggers:
                self.groups.append((fn, keys.cron_slot(fn.id)))
        limited = [keys.function_slot(fn.id) for fn in self.functions if fn.limit]
        self.slots = list(
            dict.fromkeys([slot for _, slot in self.groups] + limited + self.outbox.waits.slots() + list(self.also))
        )
        self.crew: Crew | None = None
        self.leases: Leases | None = None

    async def run(self, *, stop: anyio.Event, grace: float = 10.0) -> None:
        """Work until `stop` is set, then let handlers end for at most `grace` seconds."""
        clock = self.clock
        assert clock is not None
        self.leases = leases = self.renewal(clock)
        leases.start()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._pulse, leases)
                async with many_tasks(leases) as many:
                    handlers = Handlers(many, self.executor(leases, clock), self.spells, self.settings.parallel)
                    # What is due is due by the server's clock: ours may be far off it.
                    # And nothing begins before it is known what is paused.
                    crew = self._gather(clock)
                    with suppress(BusError), anyio.move_on_after(self.store.settings.deadline):
                        await clock.sync()  # if the store is away, the loops meet it too, and tell it
                        await crew.pauses.refresh()
                    async with anyio.create_task_group() as loops:
                        takeover = crew.start(loops, handlers)
                        await stop.wait()
                        loops.cancel_scope.cancel()
                    # Also when the loops ended by themselves: who only pulses would renew its leases for ever.
                    takeover.abandon()
                    with anyio.move_on_after(grace, shield=True):
                        await leases.emptied()
                tasks.cancel_scope.cancel()
            await self._leave()
        finally:
            leases.stop()
            self.outbox.posted.close()
        if not stop.is_set():
            # A native cancellation that hit one of the tasks ends its group without an error: a worker that is gone
            # must not look like one that was stopped.
            raise RuntimeError("the worker ended though nobody stopped it: one of its tasks was cancelled")

    def renewal(self, clock: ServerClock) -> Leases:
        """What keeps this worker's leases, not started yet."""
        loop = asyncio.get_running_loop()
        return Leases(
            self.settings.lease_ms,
            self.consumer,
            self.store.blocking_client(max(self.settings.lease_ms / 3000, 0.5)),
            loop.call_soon_threadsafe,
            lambda _error: loop.call_soon_threadsafe(clock.disturbed),  # told of outages only
            self.settings.watchdog,
        )

    def executor(self, leases: Leases, clock: ServerClock) -> Executor:
        """What serves this worker's deliveries."""

        def post(d: Delivery, item: OutboxItem) -> None:
            self.outbox.post(d.slot, item)

        return Executor(
            door=Door(self.functions, self.run_calls, self.outbox, clock, self.observer, self.limits),
            calls=self.run_calls,
            permits=Permits(self.slot_calls, self.run_calls, self.settings.lease_ms, clock),
            starts=Starts(self.slot_calls, self.run_calls, self.observer),
            settler=Settler(self.run_calls, self.observer, post, self.settings.lease_ms, clock.now_ms),
            outbox=self.outbox,
            leases=leases,
            left_alone=LeftAlone(self.slot_calls, self.consumer, self.settings.lease_ms, clock.local),
            observer=self.observer,
            consumer=self.consumer,
            fallback_ms=self.settings.fallback_ms,
        )

    def _gather(self, clock: ServerClock) -> Crew:
        self.crew = Crew(
            self.functions,
            self.groups,
            self.slots,
            self.settings,
            self.slot_calls,
            self.run_calls,
            self.outbox,
            clock,
            self.observer,
            self.spells,
            self._chores,
            self.consumer,
            self._beat,
        )
        return self.crew

    async def _pulse(self, leases: Leases) -> None:
        """Tell the renewal thread and the watchdog that the event loop turns."""
        while True:
            leases.beat()
            await anyio.sleep(min(self.settings.lease_ms / 10_000, 0.5))

    async def _leave(self) -> None:
        """Hand back what is still ours, deliver what is posted, and strike our name; the store may be away."""
        with anyio.move_on_after(2.0, shield=True):
            # Each for itself: what one stream refuses must not keep the others from being handed back.
            with suppress(BusError):
                await self.outbox.posted.drain()
            for fn, slot in self.groups:
                for stream in (slot.stream, slot.ready(fn.id)):
                    with suppress(BusError):
                        await self.slot_calls.hand_back(stream, fn.id, self.consumer, self.settings.lease_ms)
            for slot in self.outbox.waits.slots():
                with suppress(BusError):
                    await self.slot_calls.hand_back(slot.stream, WAITS_GROUP, self.consumer, self.settings.lease_ms)
            with suppress(BusError):
                await self.store.call("HDEL", self.store.keys.workers, self.consumer)

    def _beat(self) -> tuple[bool, float, int]:
        health = self.health()
        return health.ready, health.last_cycle_age, health.in_flight

    def health(self) -> Health:
        """How this worker is, by what its loops really did."""
        now = anyio.current_time()
        readers = self.crew.readers if self.crew else []
        reasons = self.crew.late(now, self.settings.block + self.store.settings.deadline) if self.crew else []
        if self.spells.in_trouble:
            reasons.append(self.spells.why)
        if self._chores.stuck_on:
            reasons.append(f"its heartbeat is refused: {self._chores.stuck_on}")
        age = max((now - r.last_cycle for r in readers), default=0.0)
        in_flight = len(self.leases) if self.leases else 0
        return Health(True, bool(readers) and not reasons, tuple(reasons), in_flight, age)
