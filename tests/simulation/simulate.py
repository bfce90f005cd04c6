"""One seed, played: its plan, from an empty store to its verdict."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import anyio

from joelclaw_bus import Functions, Limits, Publisher, WorkerSettings
from joelclaw_bus.errors import BusError
from joelclaw_bus.script import Script
from tests.simulation.faked import FakedServer
from tests.simulation.judge import Judge
from tests.simulation.loop import Stalled, VirtualLoop
from tests.simulation.network import Network, Weather
from tests.simulation.plan import ACTIVE, LEASE_MS, Ask, Fault, Member, Plan, plan_of
from tests.simulation.process import Process, patched
from tests.simulation.program import EVENTS, Answer, functions_for
from tests.simulation.store import SimStore
from tests.simulation.verdict import Sent, unrest, verdict

SETTINGS = WorkerSettings(lease_ms=LEASE_MS, parallel=4, block=6.0, fallback_ms=10_000, chores=40.0)
PATIENCE = 400.0
"""Seconds after all has healed in which the rest must come to its end."""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a seed. `broken` is empty when every promise held; `digest` names its history."""

    seed: int
    broken: list[str]
    digest: str
    counts: Counter[str]
    calls: int
    trace: list[str] = field(default_factory=list)


@dataclass(eq=False)
class History:
    """A plan while it is played."""

    plan: Plan
    network: Network
    judge: Judge
    dice: Random
    processes: dict[str, Process] = field(default_factory=dict)
    everybody: list[Process] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    unserved: list[tuple[int, int]] = field(default_factory=list)
    """Server times between which no schedule could be served, and those over which the clock was set."""
    digest: str = ""
    _unserved_since: int | None = None
    _unsent: int = 0
    _over: bool = False

    async def play(self) -> None:
        self._make = functions_for(self.judge, self.plan.few, self.plan.kinds, self.plan.crons)
        self._watch()
        async with anyio.create_task_group() as tasks:
            for member in self.plan.members:
                tasks.start_soon(self._start, member, member.starts)
            for ask in self.plan.asks:
                tasks.start_soon(self._ask, ask, ask.at, False)
                if ask.again >= 0 and ask.id:
                    tasks.start_soon(self._ask, ask, ask.again, True)
            for at, key in self.plan.answers:
                tasks.start_soon(self._answer, at, key)
            for fault in self.plan.faults:
                tasks.start_soon(self._fault, fault)
            await anyio.sleep(ACTIVE)
            await self._heal()
            await self._come_to_rest()
        verdict(self.judge, self.network, self.sent, self.unserved, self.plan)
        self.digest = self.judge.digest()
        await self._end()

    async def _start(self, member: Member, after: float, dies_at_call: int | None = None) -> None:
        await anyio.sleep(after)
        if self._over:  # it died shortly before the end: nobody would stop it any more
            return
        generation = sum(p.name.startswith(member.name) for p in self.everybody)
        process = Process(f"{member.name}.{generation}", self.network, self.dice, member.skew, member.drift)
        process.dies_at_call = member.dies_at_call if dies_at_call is None else dies_at_call
        process.on_death = lambda: self._died(member)
        self.processes[member.name] = process
        self.everybody.append(process)

        def make(p: Process) -> Functions:
            return self._make(p, member.ticks)

        process.start(make, SETTINGS, Limits(), self.judge)
        self._watch()

    def _died(self, member: Member) -> None:
        """Whoever dies is started again after a while, and then lives."""
        self._watch()
        self.network.loop.call_later(
            self.dice.uniform(0, 15), lambda: self._later(member), context=self.network.context
        )

    def _later(self, member: Member) -> None:
        self._restarts = [*getattr(self, "_restarts", []), self.network.loop.create_task(self._start(member, 0, 0))]

    async def _ask(self, ask: Ask, at: float, second: bool) -> None:
        """A producer: it asks until it hears that it was heard; without an id it asks once."""
        await anyio.sleep(at)
        producer = Process("producer", self.network, self.dice, 0.0, 0.0)
        store = SimStore(self.network, producer)
        bare = second and ask.foreign  # a bare client knows of no delays
        due = self.network.now_ms + round(ask.delay * 1000) if ask.delay and not bare else 0
        payload = EVENTS[ask.stream].from_wire({"words": list(ask.words), "lane": ask.lane, "notBefore": due})
        self._unsent += 1
        while True:
            try:
                if bare:
                    await store.call("XADD", ask.stream, "*", "id", ask.id, "data", payload.to_json())
                    break
                published = await Publisher(store, "sim", wall=producer.wall).send(
                    payload, id=ask.id or None, at_ms=due
                )
                # What may wait is given an id, also where its time had come by the time it came.
                entry = (published.entry or "") if not due or ask.id else ""
                self.sent.append(Sent(ask.stream, ask.id, entry, ask.words, self.network.loop.time()))
                break
            except BusError:
                if not ask.id or second:
                    break
                await anyio.sleep(0.5)
        self._unsent -= 1

    async def _answer(self, at: float, key: str) -> None:
        """Sent once: whether it came, the ledger only knows when it was acknowledged."""
        await anyio.sleep(at)
        producer = Process("producer", self.network, self.dice, 0.0, 0.0)
        with suppress(BusError):
            store = SimStore(self.network, producer)
            published = await Publisher(store, "sim", wall=producer.wall).send(Answer(key=key))
            self.sent.append(Sent("sim/answer", "", published.entry or "", (key,), self.network.loop.time()))

    async def _fault(self, fault: Fault) -> None:
        await anyio.sleep(fault.at)
        process = self.processes.get(fault.who)
        match fault.kind:
            case "kill":
                if process and not process.dead:
                    process.kill()
            case "freeze":
                if process and not process.dead:
                    process.freeze()
                    self._watch()
                    await anyio.sleep(fault.much)
                    process.thaw()
            case "cut":
                self.network.cut(fault.how)
                self._watch()
                await anyio.sleep(fault.much)
                self.network.down = ""
            case "jump":
                before = self.network.now_ms
                self.network.shift_us += round(fault.much * 1_000_000)
                self.unserved.append((min(before, self.network.now_ms), max(before, self.network.now_ms)))
        self._watch()

    def _watch(self) -> None:
        """Note whether anybody can serve the schedules from now on."""
        ticking = {m.name for m in self.plan.members if m.ticks}
        served = not self.network.down and any(not p.stopped for name, p in self.processes.items() if name in ticking)
        if not served and self._unserved_since is None:
            self._unserved_since = self.network.now_ms
        if served and self._unserved_since is not None:
            self.unserved.append((self._unserved_since, self.network.now_ms))
            self._unserved_since = None

    async def _heal(self) -> None:
        self.network.down = ""
        self.network.weather = Weather(lost=0.0)
        for process in self.everybody:
            process.dies_at_call = 0
            process.thaw()
        self._watch()

    async def _come_to_rest(self) -> None:
        deadline = anyio.current_time() + PATIENCE
        while anyio.current_time() < deadline:
            await anyio.sleep(5.1)
            if not self._unsent and not unrest(self.network):
                return
        self.judge.broken.append(f"it does not come to rest in {PATIENCE:.0f} s: {unrest(self.network)}")

    async def _end(self) -> None:
        self._over = True
        for process in self.everybody:
            process.stop()
        for process in self.everybody:
            if failed := await process.clear_away():
                self.judge.broken.append(f"{process.name} failed: {failed}")


def play(
    seed: int, server: FakedServer, *, trace: bool = False, mutate: Callable[[Script], Script] | None = None
) -> Played:
    """One history, from an empty store to its verdict."""
    gc.disable()  # whatever it would end, it would end at another moment each time
    server.begin()
    plan = plan_of(seed)
    dice = Random(f"chance {seed}")
    loop = VirtualLoop(dice, latest=ACTIVE + PATIENCE + 300)
    undo = patched(dice)
    judge = Judge(lambda: network.now_ms, loop.time, LEASE_MS, keep_trace=trace)
    network = Network(server, loop, dice, plan.weather, judge, mutate)
    history = History(plan, network, judge, dice)
    try:
        loop.run_until_complete(history.play())
    except Stalled as error:
        judge.broken.append(f"stalled: {error}")
    finally:
        undo()
        judge.broken += loop.errors
        loop.close()
        gc.enable()
    return Played(seed, judge.broken, history.digest, judge.counts, network.calls, judge.trace)
