"""Reading new work: one blocking read per (function, slot), for as many entries as there is room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from joelclaw_bus.door import Incoming
from joelclaw_bus.errors import GroupMissing, StoreRefused, StoreUnavailable
from joelclaw_bus.functions import Function
from joelclaw_bus.gate import Room
from joelclaw_bus.keys import Slot
from joelclaw_bus.observer import Observer, StreamLost
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.slot_calls import GroupCalls
from joelclaw_bus.store import Reader
from joelclaw_bus.trouble import Trouble

MOST_PER_READ = 100
NONE = (0, 0)
"""Before every entry."""


@dataclass
class GroupReader:
    """Reads one function's events and its ready stream. `start` begins a delivery in the worker's task group."""

    fn: Function
    slot: Slot
    consumer: str
    block: float
    room: Room
    calls: GroupCalls
    observer: Observer
    trouble: Trouble
    start: Callable[[Function, Incoming], None]
    pauses: Pauses
    last_cycle: float = field(default=float("-inf"))
    """When a read cycle last ended well: the only proof that this reader consumes. Monotonic seconds."""
    _known: bool = False
    _redo: tuple[int, int] = NONE
    """Entries up to here may have been delivered before, by a group that was lost: they are fenced like it."""
    _newest: str = "0-0"
    """The newest entry that this reader was ever given: a stream that ends before it came back with older data."""

    async def run(self) -> None:
        """Read for ever; on trouble wait, and come back with a new client."""
        async for _ in self.trouble.attempts(f"read {self.slot.name} for {self.fn.id}"):
            try:
                await self.ensure()
                self.trouble.answered()
                async with self.calls.store.reader(self.block) as reader:
                    while True:
                        await self.step(reader)
                        self.trouble.over()
            except (StoreUnavailable, StoreRefused) as error:
                self.trouble.saw(error, quietly=isinstance(error, GroupMissing))

    async def ensure(self) -> None:
        """The groups, where they are missing; a loss is told."""
        code, mark, redo = await self.calls.ensure_group(self.slot, self.fn.id)
        self._redo = _order(redo)
        if code == 2 or (code == 1 and self._known):
            self.observer.saw(StreamLost(self.fn.id, self.slot.name, mark))
        elif self._known and _order(last := await self.calls.last_entry(self.slot)) < _order(self._newest):
            self.observer.saw(StreamLost(self.fn.id, self.slot.name, last))
            self._newest = last
        self._known = True

    async def step(self, reader: Reader) -> int:
        """One blocking read; how many entries it brought."""
        room = await self._allowed()
        # The first cycle does not wait: it is the proof that this reader consumes, and the start waits for it.
        wait = ("BLOCK", round(self.block * 1000)) if self.last_cycle > float("-inf") else ()
        answer = await reader.call(
            *("XREADGROUP", "GROUP", self.fn.id, self.consumer, "COUNT", min(room, MOST_PER_READ)),
            *wait,
            *("STREAMS", self.slot.stream, self.slot.ready(self.fn.id), ">", ">"),
        )
        self.last_cycle = anyio.current_time()
        read = 0
        for stream, entries in answer or ():
            ready = stream.decode() != self.slot.stream
            for raw, flat in entries:
                entry = raw.decode()
                fields = dict(zip(flat[::2], flat[1::2], strict=True)) if flat else {}
                if not ready:
                    self._newest = entry
                again = not ready and self._redo != NONE and _order(entry) <= self._redo
                self.start(self.fn, Incoming(self.slot, entry, fields, ready, again))
                read += 1
        return read

    async def _allowed(self) -> int:
        """Waits until it may read; for how many entries there is room. What it rested is not held against it: the time
        since its last cycle counts from here. Before its first one nothing counts, since that is a proof."""
        rested = self.pauses.holds(self.fn.id) or self.room.used >= self.room.places
        await self.pauses.over(self.fn.id)
        room = await self.room.some()
        if rested and self.last_cycle > float("-inf"):
            self.last_cycle = anyio.current_time()
        return room


def _order(entry: str) -> tuple[int, int]:
    """An entry id as it is ordered; (0, 0) for none."""
    ms, _, number = entry.partition("-")
    return int(ms or 0), int(number or 0)
