"""Taking over what dead workers left: quiet or busy, the cursor followed to its end, one claimer a group.

Nobody claims for one lease after a discontinuity, so that owners can renew first. A look that is due sooner than the
next round (a lease is about to run out, the claimer has gone silent) is taken then: a takeover costs a lease, not more.

What was taken over runs beside other work, in places of its own; what may be a poison runs alone (`suspects`). Who has
no place for more is no claimer: others get the election. Who had to hand something back looks a little later than
others do, so that one with a place comes first. What only a newer build can begin is left alone (`left_alone`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import anyio

from joelclaw_bus.clock import ServerClock
from joelclaw_bus.door import Incoming
from joelclaw_bus.errors import GroupMissing, StoreRefused, StoreUnavailable
from joelclaw_bus.execute import Executor
from joelclaw_bus.functions import Function
from joelclaw_bus.gate import Room
from joelclaw_bus.keys import Slot
from joelclaw_bus.leases import Held
from joelclaw_bus.observer import Discontinuity, Observer, TakenOver, WriteRefused
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.slot_calls import Jumped, NotClaimer, Page, SlotCalls
from joelclaw_bus.suspects import ALONE_FROM, Calm, Lane, Suspect, Way, way_of
from joelclaw_bus.trouble import Trouble, is_away

PAGE = 16
LEFT_BY_ONE = 2
"""A dead worker leaves at most so many rooms full: it may fill one from each of a function's two streams."""
LOOKS_A_LEASE = 3
SHORTEST_NAPS_A_LEASE = 60


@dataclass
class Takeover:
    """The recovery loop of one worker, over all its functions. `parallel`: the worker's, see LEFT_BY_ONE."""

    groups: list[tuple[Function, Slot]]
    executor: Executor
    calls: SlotCalls
    clock: ServerClock
    observer: Observer
    trouble: Trouble
    lease_ms: int
    pauses: Pauses
    parallel: int
    start: Callable[[Function, Incoming, Held, Callable[[], None]], None]
    calm: Calm
    lane: Lane = field(init=False)
    _rooms: dict[str, Room] = field(default_factory=dict)
    _next_ms: int = 0
    _handed_back: bool = False
    _starved: bool = False
    """There may be more than we had places for: look when one is free."""
    _wake: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self.lane = Lane(self.lease_ms, self.calls.limits.begins, self.calm, self.start, self._drop)

    async def run(self) -> None:
        """Look every third of a lease, and in between when a lease or an election runs out or a place is free."""
        async for _ in self.trouble.attempts("take over"):
            try:
                await self.step()
                self.trouble.over()
            except GroupMissing:
                self.trouble.answered()  # its reader makes it anew
            except (StoreUnavailable, StoreRefused) as error:
                self.trouble.saw(error)
            await self._nap(self.nap_ms)

    @property
    def nap_ms(self) -> float:
        """How long it is until the next look."""
        shortest = self.lease_ms / SHORTEST_NAPS_A_LEASE
        return max(self._next_ms, shortest) + (shortest if self._handed_back else 0)

    async def _nap(self, ms: float) -> None:
        """Until the next look. Who oversleeps was frozen (a paused machine, a SIGSTOP), and the owners perhaps with it:
        their leases ran out unseen, so they too renew first."""
        asleep_at, self._wake = self.clock.local(), anyio.Event()
        with anyio.move_on_after(ms / 1000):
            await self._wake.wait()
        overslept = self.clock.local() - asleep_at - ms
        if overslept > self.lease_ms / 2:
            self.clock.disturbed()
            self.observer.saw(Discontinuity(self.calls.store.where, f"this worker was frozen for {overslept:.0f} ms"))

    async def step(self) -> int:
        """One look at every group; how many entries were taken over and kept."""
        with self.lane.look():
            return await self._look()

    async def _look(self) -> int:
        self._next_ms, self._starved, self._handed_back = self.lease_ms // LOOKS_A_LEASE, False, False
        why = await self.clock.sync()
        if why:
            self.observer.saw(Discontinuity(self.calls.store.where, why))
        taken, refused = 0, list[StoreRefused]()
        for fn, slot in self.groups:
            if self.pauses.holds(fn.id):
                continue
            for ready in (False, True):
                if (wait := self.lease_ms - self.clock.steady_for_ms()) >= 0:
                    self._look_in(round(wait) + 1)
                    continue
                try:
                    taken += await self._group(fn, slot, ready)
                except StoreRefused as error:  # one group's trouble must not keep the others from being recovered
                    if is_away(error):
                        raise
                    refused.append(error)
        if refused:
            raise refused[0]
        return taken

    def _look_in(self, ms: int) -> None:
        self._next_ms = min(self._next_ms, ms)

    def _look_when_one_may_run_out(self, ms: int | None) -> None:
        if ms is not None:
            self._look_in(ms + 1)

    def _free(self, fn: Function) -> int:
        """How many more may be taken: whichever way they will run."""
        room = self._rooms.setdefault(fn.id, Room(LEFT_BY_ONE * self.parallel))
        free = min(PAGE, room.places - room.used)
        self._starved |= free <= 0
        return free

    def _freed(self) -> None:
        if self._starved:
            self._wake.set()

    async def _group(self, fn: Function, slot: Slot, ready: bool) -> int:
        stream = slot.ready(fn.id) if ready else slot.stream
        cursor, taken, lost = "0-0", 0, list[str]()
        while (free := self._free(fn)) > 0:
            page = await self.calls.takeover(
                slot,
                stream,
                fn.id,
                self.executor.consumer,
                lease_ms=self.lease_ms,
                cursor=cursor,
                count=free,
                at_ms=self.clock.now_at(stream),
                stays=not self.lane.full,
                alone=self.executor.left_alone.entries(fn.id, stream),
            )
            if isinstance(page, NotClaimer):
                self._look_in(page.lasts_ms + 1)
                if page.next_ms:  # at 0 something lies there already, and is the claimer's
                    self._look_when_one_may_run_out(page.next_ms)
                break
            if isinstance(page, Jumped):
                self.clock.disturbed()
                self.observer.saw(Discontinuity(self.calls.store.where, "a takeover arrived late"))
                break
            taken += await self._begin(fn, slot, ready, page)
            lost += page.deleted
            cursor = page.cursor
            if cursor == "0-0":
                self._look_when_one_may_run_out(page.next_ms)
                break
        if taken or lost:
            self.observer.saw(TakenOver(fn.id, stream, taken, tuple(lost)))
        return taken

    async def _begin(self, fn: Function, slot: Slot, ready: bool, page: Page) -> int:
        """Begin what was claimed, or line it up, or let go of it again; how many it keeps."""
        stream = slot.ready(fn.id) if ready else slot.stream
        mine = list[tuple[Incoming, Held]]()
        for entry, fields in page.entries:
            incoming = Incoming(slot, entry, fields, ready, again=True)
            if held := self.executor.take(fn, incoming):
                mine.append((incoming, held))
        runs = [self.executor.door.run_of(fn, incoming) for incoming, _ in mine]
        try:
            stand = await self.executor.calls.standings(slot, runs) if runs else []
        except BaseException:  # whatever it was: nothing was begun, and it goes on
            for _, held in mine:  # not begun: whoever looks when their leases have run out takes them
                self._drop(held)
            raise
        for (incoming, held), it in zip(mine, stand, strict=True):
            if it.begins < ALONE_FROM and not it.untouched:
                self.calm.took(f"{fn.id} {stream} {incoming.entry}", it.claim, held.delivery.claim)
        kept, elsewhere, newer = len(mine), list[str](), list[str]()
        for (incoming, held), run, it in zip(mine, runs, stand, strict=True):
            if it.newer:
                self.observer.saw(WriteRefused(fn.id, run, "begin", "newer"))
                self._drop(held)
                newer.append(incoming.entry)
                continue
            match way_of(it.begins, self.calls.limits.begins, waiting=len(self.lane), calm=self.calm.now):
                case Way.ALONE:
                    self.lane.add(Suspect(it.begins, fn, incoming, held))
                case Way.ELSEWHERE | Way.LATER as way:
                    self._drop(held)
                    kept -= 1
                    elsewhere += [incoming.entry] if way is Way.ELSEWHERE else []
                case Way.BESIDE:
                    room = self._rooms[fn.id]
                    room.enter()
                    self.start(fn, incoming, held, partial(self._left, room))
        if newer:
            await self.executor.left_alone.leave(fn.id, stream, newer)
        if elsewhere:
            self._handed_back = True
            await self.calls.hand_back(stream, fn.id, self.executor.consumer, self.lease_ms, elsewhere)
        return kept - len(newer)

    def _drop(self, held: Held) -> None:
        self.executor.leases.drop(held)

    def _left(self, room: Room) -> None:
        room.leave()
        self._freed()

    def abandon(self) -> None:
        """Let go of what was taken over and has not begun: for a worker that stops."""
        for suspect in self.lane.clear():
            self._drop(suspect.held)

    async def alone(self) -> None:
        """Run what may be a poison, one at a time."""
        await self.lane.run()
