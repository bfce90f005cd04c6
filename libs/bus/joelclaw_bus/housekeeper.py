"""Slow chores: marks and trimming, retired consumers, heartbeats. (Broken promises are the auditor's.)"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio

from joelclaw_bus.audit.judge import RECORD_FORMAT
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.errors import GroupMissing, StoreRefused, StoreUnavailable
from joelclaw_bus.functions import Function, Functions
from joelclaw_bus.keys import WAITS_GROUP, Slot
from joelclaw_bus.observer import Observer, Trimmed
from joelclaw_bus.slot_calls import GroupCalls
from joelclaw_bus.stuck import StuckThings
from joelclaw_bus.trouble import Trouble

SILENT_LEASES = 20
GONE_MS = 3_600_000
FIRST = 0.02
"""Seconds between looks for the first heartbeat: who just started shall not seem dead for a third of a lease."""


@dataclass
class Housekeeper:
    """`beat` says how the worker is: (ready, seconds since the last read cycle, deliveries in hand); `about`: see
    WorkerSettings."""

    functions: Functions
    groups: list[tuple[Function, Slot]]
    slots: list[Slot]
    calls: GroupCalls
    clock: ServerClock
    observer: Observer
    trouble: Trouble
    consumer: str
    lease_ms: int
    every: float
    beat: Callable[[], tuple[bool, float, int]]
    about: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stuck = StuckThings(self.observer)

    async def run(self) -> None:
        """Heartbeats every third of a lease, the rest every `every` seconds."""
        swept, beaten = float("-inf"), False
        async for _ in self.trouble.attempts("keep house"):
            try:
                beaten = await self.heartbeat() or beaten
                if anyio.current_time() - swept >= self.every:
                    await self.sweep()
                    swept = anyio.current_time()
                self.trouble.over()
            except GroupMissing:
                self.trouble.answered()  # its reader makes it anew
            except (StoreUnavailable, StoreRefused) as error:
                self.trouble.saw(error)
            third = self.lease_ms / 3000
            await anyio.sleep(third if beaten else min(FIRST, third))

    async def heartbeat(self) -> bool:
        """Only a worker whose read cycles end well has one (False: none was written): alive is what was measured."""
        ready, age, in_hand = self.beat()
        now = self.clock.now_ms()
        served = [f.id for f in self.functions]
        keys = self.calls.keys
        # Written in any case: this is also how a worker learns that the store refuses its writes, or takes them again.
        registered: list[tuple[str | bytes | int | float, ...]] = [
            *(("HSETNX", keys.slots, slot.name, now) for slot in self.slots),
            *(
                ("HSET", keys.functions, fn.id, json.dumps(describe(fn), separators=(",", ":")))
                for fn in self.functions
            ),
        ]
        if ready:
            alive: dict[str, object] = {
                "at": now,
                "everyMs": self.lease_ms // 3,
                "cycleAge": round(age, 3),
                "inHand": in_hand,
                "recordFormat": RECORD_FORMAT,
            }
            alive |= {"functions": served, **self.about}
            row = json.dumps(alive, separators=(",", ":"))
            registered += [("HSET", keys.workers, self.consumer, row), *self._service(now, served)]
        for reply in await self.calls.store.calls(registered):
            if isinstance(reply, Exception):
                raise reply
        return ready

    def _service(self, now: int, served: list[str]) -> list[tuple[str | bytes | int | float, ...]]:
        """The line by which a service is still expected after its last worker died."""
        if not self.about.get("service"):
            return []
        text = json.dumps({"at": now, "functions": served, **self.about}, separators=(",", ":"))
        return [("HSET", self.calls.keys.services, str(self.about["service"]), text)]

    async def sweep(self) -> None:
        """Trim behind every group, forget consumers and workers that are long gone."""
        for slot in self.slots:
            trimmed, _ = await self.calls.housekeep(slot)
            if trimmed:
                self.observer.saw(Trimmed(slot.name, trimmed))
        for fn, slot in self.groups:
            for stream in (slot.stream, slot.ready(fn.id)):
                await self.calls.retire(stream, fn.id, self.consumer, SILENT_LEASES * self.lease_ms)
        for name in self.functions.awaited:
            stream = self.calls.keys.slot(name).stream
            await self.calls.retire(stream, WAITS_GROUP, self.consumer, SILENT_LEASES * self.lease_ms)
        flat = await self.calls.store.call("HGETALL", self.calls.keys.workers)
        unreadable = dict[str, str]()
        for worker, raw in zip(flat[::2], flat[1::2], strict=True):
            try:
                gone = self.clock.now_ms() - json.loads(raw)["at"] > GONE_MS
            except (ValueError, TypeError, KeyError):  # no heartbeat: it tells nothing, and mustn't end the chores
                unreadable[f"heartbeat of {worker[:200]!r}"] = f"can't be read: {raw[:200]!r}"
                continue
            if gone:
                await self.calls.store.call("HDEL", self.calls.keys.workers, worker)
        self._stuck.all_of("heartbeat of ", unreadable)

    async def farewell(self) -> None:
        await self.calls.store.call("HDEL", self.calls.keys.workers, self.consumer)


def describe(fn: Function) -> dict[str, object]:
    """A function's registration as operators read it."""
    return {
        "events": [t.name for t in fn.event_triggers],
        "crons": [t.expression.text for t in fn.cron_triggers],
        "awaits": [model.event_name for model in fn.awaits],
        "retries": fn.retries,
        "concurrency": fn.concurrency.most if fn.concurrency else None,
        "exclusive": fn.exclusive.most if fn.exclusive else None,
    }
