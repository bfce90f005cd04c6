"""Reading an awaited slot for the runs that wait: the system's own group, shared by all workers that know the event.

An entry stays pending until every run that it ends was told, so a matcher that dies is followed by another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import anyio

from joelclaw_bus.awaited import Wait, is_before
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.errors import GroupMissing, StoreRefused, StoreUnavailable
from joelclaw_bus.intake import Unreadable, read_as
from joelclaw_bus.keys import WAITS_GROUP, Slot
from joelclaw_bus.observer import EventBuried, Observer, StreamLost, Stuck, Unstuck
from joelclaw_bus.run_calls import Refused, RunCalls
from joelclaw_bus.slot_calls import Page
from joelclaw_bus.store import Reader
from joelclaw_bus.trouble import Trouble, is_away, is_full
from joelclaw_bus.wait_calls import Found
from joelclaw_bus.waits import Waits

MOST_PER_READ = 100
MOST_TOLD = 1_000
MATCHING = "matching "


@dataclass
class Matcher:
    """One awaited slot. `block`: seconds of one blocking read."""

    slot: Slot
    consumer: str
    block: float
    lease_ms: int
    waits: Waits
    runs: RunCalls
    clock: ServerClock
    observer: Observer
    trouble: Trouble
    recovering: Trouble
    last_cycle: float = field(default=float("-inf"))
    _known: bool = False
    _stuck: dict[str, None] = field(default_factory=dict)

    async def run(self) -> None:
        """Read for ever; on trouble wait, and come back with a new client."""
        async for _ in self.trouble.attempts(f"match {self.slot.name}"):
            try:
                code, mark = await self.waits.ensure_group(self.slot)
                if code == 2 or (code == 1 and self._known):
                    self.observer.saw(StreamLost(WAITS_GROUP, self.slot.name, mark))
                self._known = True
                self.trouble.answered()
                async with self.waits.calls.store.reader(self.block) as reader:
                    while True:
                        await self.step(reader)
                        self.trouble.over()
            except (StoreUnavailable, StoreRefused) as error:
                self.trouble.saw(error, quietly=isinstance(error, GroupMissing))

    async def step(self, reader: Reader) -> int:
        """One blocking read; how many entries it brought."""
        wait = ("BLOCK", round(self.block * 1000)) if self.last_cycle > float("-inf") else ()
        answer = await reader.call(
            *("XREADGROUP", "GROUP", WAITS_GROUP, self.consumer, "COUNT", MOST_PER_READ),
            *(*wait, "STREAMS", self.slot.stream, ">"),
        )
        self.last_cycle = anyio.current_time()
        entries = answer[0][1] if answer else []
        await self._each(
            Found(entry.decode(), dict(zip(flat[::2], flat[1::2], strict=True)) if flat else {})
            for entry, flat in entries
        )
        return len(entries)

    async def _each(self, entries: Iterable[Found]) -> None:
        """Match them. What is refused of one stays pending, is tried again, and stops nobody behind it; that the store
        is full is raised when all had their turn."""
        full: StoreRefused | None = None
        for found in entries:
            try:
                await self.match(found)
            except StoreRefused as error:
                if is_away(error) or isinstance(error, GroupMissing):
                    raise
                if is_full(error):
                    full = full or error
                else:
                    self._tell_stuck(MATCHING + found.entry, str(error))
            else:
                self._tell_over(MATCHING + found.entry)
        if full:
            raise full

    def _tell_over(self, what: str) -> None:
        if what in self._stuck:
            del self._stuck[what]
            self.observer.saw(Unstuck(self.slot.name, what))

    def _tell_stuck(self, what: str, why: str) -> None:
        if what not in self._stuck and len(self._stuck) < MOST_TOLD:
            self._stuck[what] = None
            self.observer.saw(Stuck(self.slot.name, what, why))

    async def recover(self) -> None:
        """Follow up what a matcher that died had read, every third of a lease."""
        async for _ in self.recovering.attempts(f"recover matches of {self.slot.name}"):
            try:
                if self.clock.steady_for_ms() > self.lease_ms:
                    await self._take_over()
                    await self._look_over()
                self.recovering.over()
            except GroupMissing:
                self.recovering.answered()  # its reader makes it anew
            except (StoreUnavailable, StoreRefused) as error:
                self.recovering.saw(error)
            await anyio.sleep(self.lease_ms / 3000)

    async def _take_over(self) -> None:
        cursor = "0-0"
        while True:
            page = await self.waits.calls.takeover(
                *(self.slot, self.slot.stream, WAITS_GROUP, self.consumer),
                lease_ms=self.lease_ms,
                cursor=cursor,
                count=MOST_PER_READ,
                at_ms=self.clock.now_at(self.slot.stream),
            )
            if not isinstance(page, Page):  # another one's turn, or a call that came late
                return
            await self._each(Found(entry, fields) for entry, fields in page.entries)
            cursor = page.cursor
            if cursor == "0-0":
                return

    async def _look_over(self) -> None:
        """Another worker may have matched what was refused here: what is not pending any more is told as over."""
        told = [what for what in self._stuck if what.startswith(MATCHING)][:MOST_PER_READ]
        entries = [what.removeprefix(MATCHING) for what in told]
        store, stream = self.waits.calls.store, self.slot.stream
        pending = await store.calls([("XPENDING", stream, WAITS_GROUP, e, e, 1) for e in entries]) if told else []
        for what, rows in zip(told, pending, strict=True):
            if rows == []:
                self._tell_over(what)
            elif what in self._stuck:
                self._stuck[what] = self._stuck.pop(what)  # the others have their turn

    async def match(self, found: Found) -> int:
        """Tell every run that this entry ends a wait of; how many went on or noted it."""
        calls, told, refused = self.waits.wait_calls, 0, None
        page = await calls.match(self.slot, self.consumer, found.entry)
        if not page.waits:
            return 0
        if await self._buried(found):
            return 0
        while True:
            ids = []
            for name, raw in page.waits:
                try:
                    went_on = await self._tell(name, raw, found)
                except StoreRefused as error:  # of this run alone: the others are told, and this one is tried again
                    if is_away(error):
                        raise
                    refused = refused or error
                    continue
                if went_on is not None:
                    ids.append(name)
                    told += went_on
            more = await calls.match(self.slot, self.consumer, found.entry, page.next) if page.next else None
            last = more is None or not more.waits
            done = found.entry if last and refused is None else ""
            await calls.unwait(self.slot, ids, consumer=self.consumer, entry=done)
            if more is None or last:
                if refused:
                    raise refused
                return told
            page = more

    async def _tell(self, name: str, raw: bytes, found: Found) -> int | None:
        """1 the run took it, 0 it does not wait any more; None: the wait stands."""
        try:
            wait = Wait.decode(raw)
        except ValueError as error:  # anyone may have written it: it must not stop those behind it
            self._tell_stuck(f"wait {name[:200]}", f"{error}; it is taken away")
            return 0
        if is_before(found.entry, wait.since) or found.entry in wait.but:
            return None  # read late, and older than what the run looks back for; or known to it
        went_on = await self.waits.tell(wait, found)
        return None if went_on is None else int(went_on)

    async def _buried(self, found: Found) -> bool:
        """An entry that does not validate ends no wait: it is set aside, once."""
        reading = read_as(
            self.waits.models[self.slot.name], self.slot, found.entry, found.fields, self.waits.calls.limits
        )
        if not isinstance(reading, Unreadable):
            return False
        d = Delivery(self.slot, WAITS_GROUP, self.consumer, found.entry, "", "", ready=False)
        letter = [*reading.letter, "function", WAITS_GROUP]
        try:
            first = await self.runs.bury(d, letter, [])
        except StoreUnavailable:  # the answer alone may be lost, and the entry then never comes again: ask at once
            first = await self.runs.bury(d, letter, [])
            if first == Refused("gone"):
                first = await self.runs.was_buried(d)
        if not isinstance(first, Refused):
            self.observer.saw(EventBuried(WAITS_GROUP, self.slot.name, found.entry, reading.error, first))
        return True
