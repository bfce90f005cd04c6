"""One worker process: its clocks, its renewal, its death and its freezing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from random import Random
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from joelclaw_bus import Functions, Limits, Worker, WorkerSettings
from joelclaw_bus import execute as execute_room
from joelclaw_bus import housekeeper as housekeeper_room
from joelclaw_bus import promoter as promoter_room
from joelclaw_bus import worker as worker_room
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.execute import Executor
from joelclaw_bus.leases import Leases
from joelclaw_bus.observer import Observer
from joelclaw_bus.publisher import Publisher
from joelclaw_bus.run_names import consumer_name
from tests.simulation.loop import WHO, Killed, Owner
from tests.simulation.network import Network
from tests.simulation.store import SimStore


class Process(Owner):
    """`skew`: how far its wall clock is off, seconds; `drift`: by which share its monotonic one goes faster."""

    def __init__(self, name: str, network: Network, dice: Random, skew: float, drift: float) -> None:
        super().__init__(name)
        self.network, self.dice, self.skew, self.drift = network, dice, skew, drift
        self.dead = False
        self.thawed_ms = float("-inf")
        self.dies_at_call = 0
        self.on_death: Callable[[], None] = lambda: None
        self.worker: SimWorker | None = None
        self.unanswered: dict[asyncio.Future[Any], None] = {}
        self._calls = 0
        self._stop = anyio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def consumer(self) -> str:
        return self.worker.consumer if self.worker else ""

    def start(
        self, make: Callable[[Process], Functions], settings: WorkerSettings, limits: Limits, eye: Observer
    ) -> None:
        context = copy_context()
        context.run(WHO.set, self)
        main = self._main(make, settings, limits, eye)
        self._task = self.network.loop.create_task(main, context=context)

    async def _main(
        self, make: Callable[[Process], Functions], settings: WorkerSettings, limits: Limits, eye: Observer
    ) -> None:
        store = SimStore(self.network, self)
        clock = ServerClock(store, settings.lease_ms / 4, self.monotonic_ms, lambda: self.wall() * 1000)
        self.worker = SimWorker(store, make(self), settings, limits, eye, clock=clock)
        self.worker.process = self
        self.network.judge.knows(self)
        self.worker.outbox.publisher = Publisher(store, limits=limits, wall=self.wall)
        await self.worker.run(stop=self._stop, grace=settings.lease_ms / 1000)

    def monotonic_ms(self) -> float:
        return self.network.loop.time() * 1000 * (1 + self.drift)

    def wall(self) -> float:
        return 1_767_225_600 + self.network.loop.time() + self.skew

    def answered(self, answer: asyncio.Future[Any]) -> None:
        self.unanswered.pop(answer, None)

    def called(self) -> None:
        """One more of its calls was carried out; at one of them it may die."""
        self._calls += 1
        if self._calls == self.dies_at_call:
            self.kill()

    def kill(self) -> None:
        self.dead = self.stopped = True
        self.network.deafen(self)
        self.on_death()

    def freeze(self) -> None:
        self.stopped = True

    def thaw(self) -> None:
        if not self.dead:
            self.stopped = False
            self.thawed_ms = self.network.now_ms

    def stop(self) -> None:
        self._stop.set()

    @property
    def ended(self) -> bool:
        return self._task is None or self._task.done()

    async def clear_away(self) -> str:
        """End its task, dead or not; what it failed of, '' when of nothing."""
        task = self._task
        if task is None:
            return ""
        if self.dead and not task.done():
            self.stopped = False
            task.cancel()
            for answer in list(self.unanswered):
                if not answer.done():
                    answer.set_exception(Killed())
        try:
            await task
        except BaseException as error:  # whatever it was about when it died, it is no failure
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            return "" if self.dead else repr(error)
        return ""


class SimWorker(Worker):
    """The real worker, whose renewal is a coroutine and whose chance is the seed's."""

    process: Process

    def __post_init__(self) -> None:
        super().__post_init__()
        self.consumer = consumer_name("sim", 1, self.consumer.rpartition("-")[2])  # of no machine

    def renewal(self, clock: ServerClock) -> Leases:
        thread = super().renewal(clock)
        p = self.process
        loop = p.network.loop
        return SimLeases(
            thread.lease_ms, thread.consumer, thread.store, thread.call_soon, thread.on_trouble, now=loop.time
        )

    def executor(self, leases: Leases, clock: ServerClock) -> Executor:
        executor = super().executor(leases, clock)
        executor.dice = self.process.dice.random
        return executor


class SimLeases(Leases):
    """Renewal in the process's own tasks: a frozen process renews nothing, and a dead one neither."""

    def start(self) -> None:
        self.beat()
        self._turns = asyncio.get_running_loop().create_task(self._turn_for_ever())

    async def _turn_for_ever(self) -> None:
        wait = self.lease_ms / 3000
        while True:
            await asyncio.sleep(wait)
            wait = self.turn()

    def stop(self) -> None:
        self._turns.cancel()


def seeded(dice: Random) -> Any:
    """`secrets` for a history that must be played again: claims and consumer names."""
    return SimpleNamespace(token_hex=lambda n: f"{dice.getrandbits(8 * n):0{2 * n}x}")


def patched(dice: Random) -> Callable[[], None]:
    """Put the seed's chance in place of the system's, and sweep less often; what puts it back."""
    patch = pytest.MonkeyPatch()
    for room in (execute_room, worker_room):
        patch.setattr(room, "secrets", seeded(dice))
    # Fewer sweeps and first heartbeats make many more histories; nudges wake promoters in between, and some get lost.
    patch.setattr(promoter_room, "SWEEP_MS", 10_000)
    patch.setattr(promoter_room, "ELECTION_MS", 30_000)
    patch.setattr(housekeeper_room, "FIRST", 1.0)
    return patch.undo
