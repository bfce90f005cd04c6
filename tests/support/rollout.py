"""Two builds on one store, as in a rolling update; and workers of which only single looks are turned, by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast

import anyio

from joelclaw_bus import Functions, Store, Worker, WorkerSettings
from joelclaw_bus.door import Incoming
from joelclaw_bus.functions import Function
from joelclaw_bus.handlers import Handlers
from joelclaw_bus.leases import Held, Leases
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.script import Script
from joelclaw_bus.store import Arg
from joelclaw_bus.suspects import Calm
from joelclaw_bus.takeover import Takeover
from joelclaw_bus.trouble import Trouble
from tests.support.looks import Steady
from tests.support.seen import Seen

LEASE_MS = 60_000


class NextBuild(Store):
    """The store as the scripts of a build with the next record format see it."""

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        return await super().run(_next(script), keys, args)


class BuildBefore(Store):
    """The store as the scripts of a build see it that didn't know yet that a run may have heard an event already."""

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        if script.name == "arrive":
            text = script.text
            for guard in ("heard_already(spec, number, ARGV[4])", "heard_already(spec, number, noted)"):
                assert text.count(guard) == 1
                text = text.replace(guard, "false")
            script = _as(script, text)
        return await super().run(script, keys, args)


def build_before(store: Store) -> BuildBefore:
    return BuildBefore(store.settings, store.keys, store.address, store.nodes)


def next_build(store: Store) -> NextBuild:
    return NextBuild(store.settings, store.keys, store.address, store.nodes)


@cache
def _next(script: Script) -> Script:
    text = script.text.replace("local RECORD_FORMAT = 1\n", "local RECORD_FORMAT = 2\n")
    return _as(script, text + "-- as the next build has it\n")


def _as(script: Script, text: str) -> Script:
    return replace(script, text=text, sha=hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@dataclass
class Hand:
    """A worker that does what it is told: one look at what was lost, one read. It never renews a lease."""

    store: Store
    functions: Functions
    at: float = 0.0
    """Its monotonic clock, ms, for what it leaves alone and for calm."""
    seen: Seen = field(default_factory=Seen)
    takeover: Takeover = field(init=False)
    handlers: Handlers = field(init=False)

    def __post_init__(self) -> None:
        self.worker = Worker(self.store, self.functions, WorkerSettings(lease_ms=LEASE_MS), observer=self.seen)
        clock, unused = Steady(self.store, tolerance_ms=LEASE_MS / 4), cast(Any, None)
        self.executor = self.worker.executor(Leases(LEASE_MS, self.worker.consumer, unused, unused, unused), clock)
        self.executor.left_alone.local = lambda: self.at
        self.takeover = Takeover(
            *(self.worker.groups, self.executor, self.worker.slot_calls, clock, self.seen),
            *(Trouble(self.worker.spells), LEASE_MS, Pauses(self.store, clock.now_ms, {}), 8, self._start),
            Calm(LEASE_MS, lambda: self.at),
        )

    def _start(self, fn: Function, incoming: Incoming, held: Held, ended: Callable[[], None]) -> None:
        self.handlers.start_again(fn, incoming, held, ended)

    async def look(self) -> int:
        """One look, and all that comes of it; how many entries it kept."""
        async with anyio.create_task_group() as tasks:
            self.handlers = Handlers(tasks, self.executor, self.worker.spells, 8)
            kept = await self.takeover.step()
            while self.takeover.lane:
                await self.takeover.lane.serve_next()
        return kept

    def close(self) -> None:
        self.worker.outbox.posted.close()

    async def read(self, function: str, *, ready: bool) -> None:
        """Read and serve what nobody was given yet."""
        fn = self.functions[function]
        slot = next(slot for one, slot in self.worker.groups if one is fn)
        stream = slot.ready(fn.id) if ready else slot.stream
        answer = await self.store.call("XREADGROUP", "GROUP", fn.id, self.worker.consumer, "STREAMS", stream, ">")
        async with anyio.create_task_group() as tasks:
            handlers = Handlers(tasks, self.executor, self.worker.spells, 8)
            for entry, flat in answer[0][1]:
                fields = dict(zip(flat[::2], flat[1::2], strict=True))
                handlers.start(fn, Incoming(slot, entry.decode(), fields, ready=ready, again=False))
