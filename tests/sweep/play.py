"""One scenario, played once: with one fault or none, then finished by whoever is alive, then judged.

After a crash a second, healthy worker finishes; after a lost reply the same one has to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import anyio
import redis

from joelclaw_bus import StoreSettings, StoreUnavailable
from joelclaw_bus.address import Address
from joelclaw_bus.audit.auditor import Auditor
from joelclaw_bus.keys import Keys
from joelclaw_bus.nodes import Nodes
from joelclaw_bus.script import Script
from joelclaw_contracts import EventModel
from tests.support.leftovers import Leftovers
from tests.support.seen import Seen
from tests.sweep import judge
from tests.sweep.crank import Crank, crank
from tests.sweep.faults import Crashed, Fault, FaultyStore, How, Point
from tests.sweep.ledger import Ledger
from tests.sweep.outlook import Outlook, keys_of, look, time_passes
from tests.sweep.scenario import Scenario

ROUNDS = 12
"""So often everything may turn, a lease passing in between, before a run counts as stuck."""
_numbers = count()


@dataclass
class Stage:
    """The server of a sweep, and the connections that all its workers share."""

    url: str
    address: Address
    nodes: Nodes
    sync: redis.Redis
    mutant: Script | None = None
    """A script that this server is told to run instead of the one of the same name."""


@dataclass
class Play:
    stage: Stage
    kind: type[Scenario]
    fault: Fault | None = None
    ledger: Ledger = field(default_factory=Ledger)
    seen: Seen = field(default_factory=Seen)
    trace: list[Point] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    struck: bool = False
    crashed: bool = False
    unsent: dict[str, EventModel] = field(default_factory=dict)
    _victim: FaultyStore | None = None
    _at_work: FaultyStore | None = None

    def __post_init__(self) -> None:
        self.prefix = f"sweep-{next(_numbers)}:"
        self.raw = FaultyStore(*self._store, numbering=False)  # the sweep's own eyes and hands: in no ledger
        self.scenario = self.kind(self)
        self.unsent = dict(self.kind.sends)

    @property
    def _store(self) -> tuple[StoreSettings, Keys, Address, Nodes]:
        stage = self.stage
        return StoreSettings(stage.url, prefix=self.prefix), Keys(self.prefix), stage.address, stage.nodes

    def act(self, run: str, step: str) -> int:
        """A handler says what it does; a value that no other act returns. A dead worker's handlers do nothing more,
        though its event loop still turns."""
        if self._at_work and self._at_work.dead:
            raise Crashed
        return self.ledger.act(run, step)

    @asynccontextmanager
    async def worker(self, fault: Fault | None = None, *, numbering: bool = False) -> AsyncIterator[Crank]:
        store = FaultyStore(
            *self._store, ledger=self.ledger, fault=fault, numbering=numbering, mutant=self.stage.mutant
        )
        s = self.scenario
        before, self._at_work = self._at_work, store
        try:
            async with crank(store, s.functions, self.seen, settings=s.settings, limits=s.limits) as turned:
                yield turned
        finally:
            self._at_work = before

    async def send(self, w: Crank, id: str) -> None:
        """As an honest producer sends: with an id, and again until it has an answer."""
        for _ in range(3):
            try:
                await w.worker.publisher.send(self.kind.sends[id], id=id)
            except StoreUnavailable:
                continue
            self.unsent.pop(id, None)
            return

    def die(self) -> None:
        """For handlers: their worker dies here, unless it had to die before."""
        assert self._victim is not None
        assert not self._victim.dead, "a handler began that ends every worker"
        self._victim.die()

    async def dying(self, drive: Callable[[Crank], Awaitable[None]], fault: Fault | None = None) -> None:
        """A worker that dies in its drive, at a fault or where a handler says; then its leases run out."""
        try:
            async with self.worker(fault, numbering=fault is not None) as w:
                self._victim = w.store
                await drive(w)
        except* Crashed:
            pass
        assert self._victim is not None
        assert self._victim.dead, "the worker that was to die is alive"
        await self.time_passes()

    async def time_passes(self) -> None:
        """Long enough for every lease to run out."""
        await time_passes(self.raw, self.scenario.settings.lease_ms + 1_000)

    async def until_due(self) -> None:
        """Waits, by the server's clock, until the next that rests is due; at once when nothing does."""
        outlook = await look(self.raw)
        if outlook.due_ms is not None and outlook.due_ms > 0:
            await anyio.sleep(outlook.due_ms / 1000 + 0.002)

    async def run(self) -> list[str]:
        """Play it to its end; what is wrong."""
        with anyio.fail_after(60):
            async with self.worker() as service:  # it was started before
                await service.register()
            await self.scenario.prepare()
            await self._drive()
            if not self.kind.spoilt:  # else its keys were spoilt on purpose
                self._look_for_leftovers("right after the drive")
            if self.crashed or self.kind.hands_on:
                async with self.worker() as second:
                    await self._finish(second, patient=self.fault is not None)
            elif not self.fault:
                self.complaints += [f"not done by the drive: {line}" for line in (await look(self.raw)).left]
            self._look_for_leftovers("in the end")
            await self._audit()
            self.complaints += judge.ledger(self.ledger)
            self.complaints += judge.facts(self.seen, self.ledger, self.scenario)
            self.complaints += await judge.store(self.raw, self.ledger, self.scenario)
            self.complaints += await self.scenario.finished()
            await self._strike()
        return self.complaints

    async def _drive(self) -> None:
        store: FaultyStore | None = None
        try:
            async with self.worker(self.fault, numbering=True) as first:
                store = first.store
                await self.scenario.drive(first)
                if not first.stopping:
                    store.numbering = False
                if self.fault and self.fault.how is How.LOST and not first.stopping:
                    await self._finish(first)
        except* Crashed:
            pass
        assert store is not None
        self.trace, self.struck, self.crashed = store.trace, store.struck, store.dead

    async def _finish(self, w: Crank, *, patient: bool = True) -> None:
        """Turn everything until nothing is left to do; only the patient wait for leases to run out."""
        for id in list(self.unsent):
            await self.send(w, id)
        await self.scenario.resume(w)
        outlook = Outlook([], None)
        for _ in range(ROUNDS):
            await w.round(audit=self.kind.spoilt)
            outlook = await look(self.raw)
            if not outlook.left:
                return
            if outlook.due_ms is not None and 0 < outlook.due_ms < 1_000:
                await anyio.sleep(outlook.due_ms / 1000 + 0.002)
            if patient:
                await self.time_passes()
        self.complaints += [f"stuck: {line}" for line in outlook.left]

    async def _audit(self) -> None:
        """The auditor walks over all there is, twice, so that a verdict over two slots holds: what it finds is told."""
        raw, own = self.raw, [self.raw.keys.slot_of_key(k) for k in (await keys_of(self.raw)).get("event stream", [])]
        auditor = Auditor(own, raw, self.scenario.limits, self.seen, "the sweep's", lease_ms=1, every=0)
        for _ in range(2):
            await raw.call("SET", raw.keys.sweeper, "the sweep's", "PX", 60_000)
            await auditor.round()
            await anyio.sleep(0.005)

    def _look_for_leftovers(self, when: str) -> None:
        found = Leftovers(self.stage.sync, self.prefix, only=f"*{self.prefix}*").complaints()
        self.complaints += [f"{when}: {line}" for line in found]

    async def _strike(self) -> None:
        keys = [key for found in (await keys_of(self.raw)).values() for key in found]
        await self.raw.call("UNLINK", *keys)


def told(plays: Sequence[Play]) -> str:
    """What went wrong, by fault."""
    return "\n".join(f"{p.kind.__name__}, {p.fault or 'no fault'}:\n  " + "\n  ".join(p.complaints) for p in plays)
