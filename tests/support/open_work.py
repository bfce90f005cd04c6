"""A store with a run in every state and something in every key, made by the scripts themselves; nobody works on it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import ClassVar

from joelclaw_bus import Event, Functions, Limits, Publisher, Step, Store, event
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.keys import Slot
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.publisher import release_item
from joelclaw_bus.run_calls import Begun, RunCalls
from joelclaw_bus.run_names import run_id
from joelclaw_bus.slot_calls import SlotCalls, StartCalls
from joelclaw_contracts import EventModel

SOON_MS = 400


class Asked(EventModel):
    event_name: ClassVar[str] = "test/asked"

    n: int


class Told(EventModel):
    event_name: ClassVar[str] = "test/told"


ASK, ONLY = "test/ask", "test/only"


def functions(got: list[int]) -> Functions:
    """What goes on with the runs: one step more than is journaled, one rest."""
    all_of_them = Functions()

    async def go_on(e: Event[Asked], step: Step) -> int:
        await step.run("one", lambda: 1)
        await step.sleep("rest", 0.05)
        got.append(e.data.n)
        return e.data.n

    for name, how in ((ASK, {}), (ONLY, {"exclusive": 1})):
        all_of_them.function(name, on=[event(Asked, when=_wants(name))], retries=1, **how)(go_on)  # type: ignore[arg-type]  # numbers
    return all_of_them


def _wants(function: str):  # type: ignore[no-untyped-def]  # a filter, as functions.py types it
    return lambda e: (e.data.n >= 100) == (function == ONLY)


@dataclass
class OpenWork:
    """Runs by what they are: `rests`; `woken` (its entry not delivered); `dies` (in a dead worker's hands, begun from
    its event); `dies_later` (the same, from its ready stream); `over`; `holder` and `waiter` of an exclusive permit;
    `executes` with one, in a dead worker's hands."""

    store: Store
    limits: Limits = Limits()
    soon_ms: int = SOON_MS
    runs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.slot = self.store.keys.slot(Asked.event_name)
        self.slot_calls = SlotCalls(self.store, self.limits)
        self.run_calls = RunCalls(self.store, self.limits)
        self.publisher = Publisher(self.store, limits=self.limits)

    @property
    def permits_slot(self) -> Slot:
        return self.store.keys.function_slot(ONLY)

    @property
    def starts_slot(self) -> Slot:
        return self.store.keys.function_slot(ASK)

    async def prepare(self) -> None:
        for function in (ASK, ONLY):
            await self.slot_calls.ensure_group(self.slot, function)
            for slot in (self.slot, self.permits_slot, self.store.keys.slot(Told.event_name)):
                await self.store.call("HSETNX", self.store.keys.slots, slot.name, 1)
            exclusive = f'{{"retries":1,"exclusive":{int(function == ONLY)}}}'
            await self.store.call("HSET", self.store.keys.functions, function, exclusive)
        # What rests comes last: to wake the others promotes all that is due by then, on a slow machine that as well.
        for n, name in enumerate(("dies_later", "woken", "dies", "over", "rests")):
            await self._begin(ASK, n, name)
        for n, name in enumerate(("holder", "waiter", "executes"), start=100):
            await self._begin(ONLY, n, name)
        starts = StartCalls(self.store, self.limits)
        for n, name in enumerate(("over", "rests")):  # the second waits in the line
            await starts.turn(ASK, "", self.member(name), 1, 60_000, n)
        await starts.debounce(ASK, "", self.member("rests"), 60_000, 0, 1)
        await self.store.call("SET", self.slot.buried("1-1"), 1, "PX", 60_000)
        await self.publisher.send(Asked(n=7), id="later", at_ms=await self.store.time_ms() + self.soon_ms)

    async def _begin(self, function: str, n: int, name: str) -> None:
        """Publish, deliver, journal one step, and bring the run to where its name says."""
        await self.publisher.send(Asked(n=n), id=f"{name}-id")
        other = ONLY if function == ASK else ASK
        for reader in (function, other):
            got = await self.store.call(
                *("XREADGROUP", "GROUP", reader, "dead-worker", "COUNT", 1, "STREAMS", self.slot.stream, ">")
            )
            entry = got[0][1][0][0].decode()
            if reader == other:
                await self.store.call("XACK", self.slot.stream, other, entry)
        d = self._delivery(function, entry, f"{name}-id", ready=False)
        self.runs[name] = d.run
        assert isinstance(await self.run_calls.begin(d, explicit_id=f"{name}-id", record_wanted=True), Begun)
        item = OutboxItem(
            *(f"event:test/told:{name}", "event", "test/told"),
            event_id=name,
            data="{}",
            created_ms=await self.store.time_ms(),
        )
        await self.run_calls.step(d, "one", b"1", item if name == "dies" else None)
        match name:
            case "rests":
                await self._park(d, self.soon_ms)
            case "woken":
                await self._park(d, 0)
                await self.slot_calls.promote(self.slot)
            case "dies_later":
                await self._park(d, 0)
                await self.slot_calls.promote(self.slot)
                await self.store.call(
                    *("XREADGROUP", "GROUP", ASK, "dead-worker", "COUNT", 1, "STREAMS", self.slot.ready(ASK), ">")
                )
            case "over":
                await self.run_calls.finish(d, status="completed", keep=True)
            case "holder":
                await self._acquire(d)
                await self._park(d, self.soon_ms)
            case "waiter":
                await self._acquire(d)
                permit = release_item(d.key, ONLY, "", "cancelled", 0, most=1, at_the_end=True)
                await self.run_calls.park(d, state="held", channel="nudges", delay_ms=self.soon_ms, on_cancel=permit)
            case "executes":
                await self.store.call("ZADD", self.permits_slot.permits(""), "+inf", self.member(name))
                await self.store.call("HSET", self.permits_slot.claims(""), self.member(name), d.claim)

    def _delivery(self, function: str, entry: str, event_id: str, *, ready: bool) -> Delivery:
        run = run_id(function, event_id, given=True)
        return Delivery(self.slot, function, "dead-worker", entry, run, secrets.token_hex(4), ready)

    async def _park(self, d: Delivery, delay_ms: int) -> None:
        parked = await self.run_calls.park(d, state="due", channel="nudges", delay_ms=delay_ms, step="rest")
        assert isinstance(parked, int)

    async def _acquire(self, d: Delivery) -> None:
        await self.slot_calls.acquire(ONLY, "", d.key, 1, 0, d.claim)

    def member(self, name: str) -> str:
        """A run as permits name it."""
        return f"{self.slot.name}|{self.runs[name]}"

    def record(self, name: str) -> str:
        return self.slot.run(self.runs[name])

    async def entry_of(self, name: str) -> str:
        """The entry that a queued run is queued by."""
        at: bytes = await self.store.call("HGET", self.record(name), "at")
        return at.decode()[1:]

    async def open(self) -> list[str]:
        """Runs that are not ended, by any key that says so."""
        named = {m.decode() for m in await self.store.call("ZRANGE", self.slot.open, 0, -1)}
        for run in self.runs.values():
            state = await self.store.call("HGET", self.slot.run(run), "state")
            if state is not None and state != b"ended":
                named.add(run)
        return sorted(named)
