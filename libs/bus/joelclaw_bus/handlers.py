"""The tasks in which deliveries are served: as many per function as there is room, and the taken-over ones apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from joelclaw_bus.door import Incoming
from joelclaw_bus.errors import BusError, NoFreeConnection, StoreRefused, StoreUnavailable
from joelclaw_bus.execute import Executor
from joelclaw_bus.functions import Function
from joelclaw_bus.gate import Room
from joelclaw_bus.leases import SILENT_LEASES, Held, Leases
from joelclaw_bus.observer import Stuck, Unstuck, WorkerFault
from joelclaw_bus.trouble import Spells, is_away, is_full
from joelclaw_bus.wording import line_of


class Tasks(Protocol):
    def start_soon(self, act: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class ManyTasks:
    """asyncio's own group: anyio's costs seven times as much a task, and here each task has a scope of its own."""

    group: asyncio.TaskGroup

    def start_soon(self, act: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        self.group.create_task(act(*args))


@asynccontextmanager
async def many_tasks(leases: Leases) -> AsyncIterator[ManyTasks]:
    """Tasks that end with the block, each by its delivery's own scope: what is being written is written."""
    async with asyncio.TaskGroup() as group:
        try:
            yield ManyTasks(group)
        finally:
            leases.abandon()
            # Not for ever: a task that a dying process cancelled before it began lets go of nothing.
            with anyio.move_on_after(SILENT_LEASES * leases.lease_ms / 1000, shield=True):
                await leases.emptied()


@dataclass
class Handlers:
    """Serves deliveries in `tasks`. `parallel`: how many fresh ones of one function at once."""

    tasks: Tasks
    executor: Executor
    spells: Spells
    parallel: int
    _rooms: dict[str, Room] = field(default_factory=dict)
    _stuck: set[str] = field(default_factory=set)

    def room(self, fn: Function) -> Room:
        return self._rooms.setdefault(fn.id, Room(self.parallel))

    def start(self, fn: Function, incoming: Incoming) -> None:
        """Serve a fresh delivery, unless it is in our hands already."""
        held = self.executor.take(fn, incoming)
        if held:
            room = self.room(fn)
            room.enter()
            self.tasks.start_soon(self._serve_in, room, fn, incoming, held)

    def start_again(self, fn: Function, incoming: Incoming, held: Held, ended: Callable[[], None]) -> None:
        """Serve a delivery that was taken over; `ended` is called when it has ended. Who took it bounds how many."""
        self.tasks.start_soon(self._serve, fn, incoming, held, ended)

    async def _serve_in(self, room: Room, fn: Function, incoming: Incoming, held: Held) -> None:
        try:
            async with room.turn:
                await self._serve(fn, incoming, held, room.leave)
        except BaseException:  # a cancellation above all: stopped before its turn, so that a takeover gets it
            self.executor.leases.drop(held)
            raise

    async def _serve(self, fn: Function, incoming: Incoming, held: Held, ended: Callable[[], None]) -> None:
        try:
            await self.executor.serve(fn, incoming, held)
            if fn.id in self._stuck:
                self._stuck.discard(fn.id)
                self.spells.observer.saw(Unstuck("", f"serve {fn.id}"))
        except (StoreUnavailable, StoreRefused) as error:
            # Nothing was settled: the lease runs out and the entry comes again.
            self._met(fn, error)
        except Exception as error:  # the one broad net of the bus: one entry's trouble must not stop all others
            self.executor.observer.saw(WorkerFault(fn.id, incoming.entry, line_of(error)))
        finally:
            ended()

    def _met(self, fn: Function, error: BusError) -> None:
        if is_away(error) or is_full(error):
            self.spells.begin(f"serve {fn.id}", error)
        elif fn.id not in self._stuck and not (isinstance(error, NoFreeConnection) and self.spells.in_trouble):
            self._stuck.add(fn.id)
            self.spells.observer.saw(Stuck("", f"serve {fn.id}", str(error)))
