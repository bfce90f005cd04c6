"""Time and transport: what is due is promoted, what crosses slots is delivered, pauses are looked up.

Sleeps on its own clock until the earliest head it knows. A nudge tells of a new earlier one; a sweep, at least once a
second, covers lost nudges. The slots that nobody subscribes to are swept by one elected process.

Of a cluster each node can be away by itself: the slots of the others have their turn all the same, and a silent node is
asked once in a step, not once for each of its slots.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from joelclaw_bus.clock import ServerClock
from joelclaw_bus.errors import NoFreeConnection, StoreRefused, StoreUnavailable
from joelclaw_bus.keys import Slot
from joelclaw_bus.nodes import ALONE
from joelclaw_bus.observer import Observer, Promoted
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.publisher import EVIDENCE
from joelclaw_bus.slot_calls import Heads, SlotCalls
from joelclaw_bus.store import Listener
from joelclaw_bus.stuck import StuckThings
from joelclaw_bus.trouble import Trouble, is_away, is_full
from joelclaw_contracts import NameInvalid

SWEEP_MS = 1_000
OUTBOX_SWEEPS = 2
"""The outboxes have their turn in each such sweep: who puts something there delivers it himself, unless he dies."""
ELECTION_MS = 3_000
QUIET_MS = 60_000
"""So long after the last message that was no nudge the channel is taken to be in order again."""
NUDGES = "nudges"
REGISTERED = "registered slot "
Fault = StoreUnavailable | StoreRefused


@dataclass
class Promoter:
    """`own`: slots this worker answers for. `heads`: what is known to be due when, per slot name."""

    own: list[Slot]
    calls: SlotCalls
    outbox: Outbox
    pauses: Pauses
    clock: ServerClock
    observer: Observer
    trouble: Trouble
    listening: Trouble
    consumer: str
    chores_ms: int
    heads: dict[str, int] = field(default_factory=dict)
    _nudged: anyio.Event = field(default_factory=anyio.Event)
    _swept_ms: int = 0
    _sweeps: int = 0
    _full: Fault | None = None
    _away: Fault | None = None
    _silent: set[str] = field(default_factory=set)
    _trimmed_ms: int = 0
    _no_nudge_ms: int = 0

    def __post_init__(self) -> None:
        self._stuck = StuckThings(self.observer)

    async def run(self) -> None:
        async for _ in self.trouble.attempts("promote"):
            try:
                if await self.step():
                    self.trouble.over()
            except (StoreUnavailable, StoreRefused) as error:
                self.trouble.saw(error)
                continue
            until = [head - self._now_in(name) for name, head in self.heads.items()]
            wait = min([*until, self._swept_ms + SWEEP_MS - self.clock.now_ms()])
            if wait > 0:
                with anyio.move_on_after(wait / 1000):
                    await self._nudged.wait()
            self._nudged = anyio.Event()

    async def step(self) -> bool:
        """Promote what is due by what is known; sweep when it is time to. Whether the store was asked anything."""
        now, self._full, self._away = self.clock.now_ms(), None, None
        self._silent.clear()
        if now - self._swept_ms >= SWEEP_MS or now < self._swept_ms:
            await self._sweep()
            return True
        due = [name for name, head in self.heads.items() if head <= self._now_in(name)]
        for name in due:
            await self._turn(self.calls.keys.slot(name), self._promote)
        if fault := self._away or self._full:
            raise fault
        return bool(due)

    def _now_in(self, name: str) -> int:
        """A slot's time is its node's."""
        return self.clock.now_at(self.calls.keys.slot(name).stream)

    async def _sweep(self) -> None:
        self._swept_ms, orphans = self.clock.now_ms(), list[Slot]()
        try:
            unreadable = [f"pause of {function[:200]!r}" for function in await self.pauses.refresh()]
            self._stuck.all_of("pause of ", dict.fromkeys(unreadable, "can't be read, so it holds nothing back"))
            orphans = await self._orphans()
            ours = {slot.name for slot in [*self.own, *orphans]}
            self._stuck.only(ours)
            self.outbox.stuck_only(ours)
        except (StoreUnavailable, StoreRefused) as error:  # our own slots have their turn all the same
            if is_full(error):  # a full store takes no election
                self._full = error
            elif is_away(error):
                self._met(error, self.calls.keys.pauses)
            else:
                raise
        if abs(self._swept_ms - self._no_nudge_ms) >= QUIET_MS:
            self._stuck.over("", NUDGES)
        await self._give_turns([*self.own, *orphans])
        if orphans and self._swept_ms - self._trimmed_ms > self.chores_ms:
            self._trimmed_ms = self._swept_ms
            for slot in orphans:
                if slot.name != EVIDENCE:  # its length is bounded where it is written
                    await self._turn(slot, self.calls.housekeep)
        if fault := self._away or self._full:
            raise fault

    async def _give_turns(self, slots: list[Slot]) -> None:
        """A sweep asks each node in one round trip which of its slots have something to do: most have nothing, and an
        idle suite is quiet. What is told as stuck is tried again all the same."""
        outboxes = self._sweeps % OUTBOX_SWEEPS == 0
        self._sweeps += 1
        by_node: dict[str, list[Slot]] = {}
        for slot in slots:
            by_node.setdefault(self.calls.store.node_of(slot.stream), []).append(slot)
        for node, theirs in by_node.items():
            if node in self._silent:
                continue
            try:
                now, heads = await self.calls.heads(node, theirs, outboxes=outboxes)
            except (StoreUnavailable, StoreRefused) as error:
                if is_away(error) or isinstance(error, NoFreeConnection):
                    self._met(error, theirs[0].stream)
                    continue
                now, heads = 0.0, [Heads(0, 0)] * len(theirs)  # their own turns tell what is refused
            for slot, head in zip(theirs, heads, strict=True):  # at once, or a nudge meanwhile were forgotten
                self._knows(slot, head.due_ms)
            for slot, head in zip(theirs, heads, strict=True):
                await self._turns(slot, head, max(now, self._now_in(slot.name)))

    def _knows(self, slot: Slot, head_ms: float | None) -> None:
        if head_ms is None:
            self.heads.pop(slot.name, None)
        else:
            self.heads[slot.name] = round(head_ms)

    async def _turns(self, slot: Slot, head: Heads, now: float) -> None:
        """What of a slot's two turns there is a reason for."""
        if (head.due_ms is not None and head.due_ms <= now) or self._stuck.has(slot.name, "promote"):
            await self._turn(slot, self._promote)
        is_stuck = self._stuck.has(slot.name, "sweep") or self.outbox.has_stuck(slot)
        if (head.outbox_ms is not None and head.outbox_ms <= now) or is_stuck:
            await self._turn(slot, self.outbox.sweep)

    async def _turn(self, slot: Slot, do: Callable[[Slot], Awaitable[object]]) -> None:
        """One slot's turn. What the store refuses there is told, and the next slot has its turn all the same."""
        if self.calls.store.node_of(slot.stream) in self._silent:
            return
        stuck = (slot.name, do.__name__.strip("_"))
        try:
            await do(slot)
        except (StoreUnavailable, StoreRefused) as error:
            if is_away(error) or isinstance(error, NoFreeConnection):
                # An item's target may lie on another node than its slot: which of them is silent is not known.
                self._met(error, "" if do == self.outbox.sweep else slot.stream)
                return
            if is_full(error):  # the whole worker's trouble; yet what drains the store must have its turn in every slot
                self._full = error
                return
            self.heads.pop(slot.name, None)  # else we'd ask again at once; the sweep asks every second
            self._stuck.tell(*stuck, str(error))
        else:
            self._stuck.over(*stuck)

    def _met(self, error: Fault, key: str) -> None:
        """What is away; key: one of its node, '' where that may be another's. It is raised when the step is done."""
        self._away = self._away or error
        node = self.calls.store.node_of(key or self.calls.keys.slots)
        if node == ALONE or (key and isinstance(error, StoreUnavailable)):
            self._silent.add(node)

    async def _promote(self, slot: Slot) -> None:
        """One page of what is due in a slot. A backlog's head stays due, so that the rest comes when all others and
        the outboxes have had their turn."""
        promotion = await self.calls.promote(slot)
        self._knows(slot, promotion.head_ms)
        if promotion.moved:
            self.observer.saw(Promoted(slot.name, promotion.moved, promotion.late_ms))

    async def _orphans(self) -> list[Slot]:
        """The registered slots that aren't our own, when this process is the one that sweeps them."""
        store, key = self.calls.store, self.calls.keys.sweeper
        before = await store.call("SET", key, self.consumer, "NX", "GET", "PX", ELECTION_MS)
        if before not in (None, self.consumer.encode()):
            self._stuck.all_of(REGISTERED, {})  # who sweeps now tells it
            return []
        await store.call("PEXPIRE", key, ELECTION_MS)
        own, orphans, bad = {s.name for s in self.own}, list[Slot](), dict[str, str]()
        for raw in sorted(await store.call("HKEYS", self.calls.keys.slots)):
            name = raw.decode("utf-8", "backslashreplace")
            try:
                slot = self.calls.keys.slot(name)
            except NameInvalid as error:  # anyone may write there: one bad name must not end all promotion
                bad[f"{REGISTERED}{name[:200]!r}"] = str(error)
                continue
            if name not in own:
                orphans.append(slot)
        self._stuck.all_of(REGISTERED, bad)
        return orphans

    async def listen(self) -> None:
        """Hear the nudges."""
        async for _ in self.listening.attempts("hear nudges"):
            try:
                async with self.calls.store.listener(self.calls.keys.nudges) as listener:
                    while True:
                        await self._hear(listener)
                        self.listening.over()
            except (StoreUnavailable, StoreRefused) as error:
                self.listening.saw(error)

    async def _hear(self, listener: Listener) -> None:
        message = await listener.next(timeout=1.0)
        if message is None:
            return
        try:
            name, _, text = message.decode().rpartition(" ")
            at = int(text)
            self.calls.keys.slot(name)
        except (ValueError, NameInvalid) as error:  # anyone may publish on the channel
            self._no_nudge_ms = self.clock.now_ms()
            self._stuck.tell("", NUDGES, f"{message[:200]!r} is no nudge: {error}")
            return
        if at < self.heads.get(name, 1 << 62):
            self.heads[name] = at
            self._nudged.set()
