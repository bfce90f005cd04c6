"""Delivering what crosses slots: at once by whoever wrote it, later by anyone, until it is done.

Delivery comes before deletion, and is idempotent at the target; so a crash between the two repeats it harmlessly.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from joelclaw_bus.errors import EventInvalid, StoreRefused, StoreUnavailable
from joelclaw_bus.keys import Slot
from joelclaw_bus.observer import Observer, OutboxDelivered, OutboxUndeliverable, Stuck, Unstuck
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.posted import Posted
from joelclaw_bus.publisher import Publisher
from joelclaw_bus.slot_calls import SlotCalls
from joelclaw_bus.trouble import is_away, is_full
from joelclaw_bus.wait_calls import WaitCalls
from joelclaw_bus.waits import Waits
from joelclaw_contracts import ContractError, EventModel, NameInvalid

HOLD_MS = 5_000
MOST_TOLD = 10_000
LOOKED_OVER = 100


@dataclass
class Outbox:
    """`post` is for the writer of an item, after the script that stored it; `sweep` finds what others left. `awaited`:
    the events that runs of this worker may wait for, by name."""

    calls: SlotCalls
    publisher: Publisher
    observer: Observer
    awaited: Mapping[str, type[EventModel]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.waits = Waits(self.calls, WaitCalls(self.calls.store), self.awaited, self.observer)
        self.posted = Posted(self._carried, self._delivered)
        self._stuck: dict[tuple[str, bytes], None] = {}

    def post(self, slot: Slot, item: OutboxItem) -> None:
        """Deliver this soon; losing it is harmless, since it is stored."""
        self.posted.post(slot, item)

    async def sweep(self, slot: Slot) -> int | None:
        """Deliver what this slot's outbox has waiting; when its next item is to be tried, ms.

        A node that doesn't answer keeps only what goes there; the first such error is raised when all had their turn.
        What met it comes again after one hold: it was not refused for itself, and the store may be back by then.
        """
        taken = await self.calls.outbox_take(slot, HOLD_MS)
        for name in taken.lost:
            self.observer.saw(OutboxUndeliverable(slot.name, name, "its body is gone from the store"))
        for raw, why in taken.unreadable:
            await self.calls.outbox_try(slot, raw)
            self._tell_stuck(slot, raw, why)
        first: StoreUnavailable | StoreRefused | None = None
        unsent, others = list[str](), list[str]()
        silent = set[str]()
        for item, tries in taken.items:
            age = taken.now_ms - item.created_ms
            if tries and item.created_ms and age > self.calls.limits.dedupe_ms:
                # Whether an earlier try arrived can't be told any more: a second one could double it.
                await self._give_up(slot, item, f"tried {tries} times, and older than the dedupe window")
                continue
            node = self._node_of(item)
            if node in silent:
                others.append(item.id)
                continue
            if not await self.calls.outbox_try(slot, item.id):
                continue  # somebody else delivered it
            try:
                await self._try(slot, item)
            except (StoreUnavailable, StoreRefused) as error:
                first = first or error
                if is_full(error):  # what wakes and releases may pass where a new event may not
                    unsent.append(item.id)
                else:
                    others.append(item.id)
                    silent.add(node)
        if first:
            with suppress(StoreUnavailable, StoreRefused):  # told by the first
                await self.calls.outbox_again(slot, HOLD_MS, unsent, others)
            raise first
        await self._look_over(slot)
        return taken.head_ms

    def _node_of(self, item: OutboxItem) -> str:
        """The node that an item goes to; '' of a store with one."""
        keys = self.calls.keys
        try:
            slot = keys.function_slot(item.target) if item.kind == "release" else keys.slot(item.target)
        except NameInvalid:  # it goes nowhere, and delivery tells so
            return ""
        return self.calls.store.node_of(slot.stream)

    async def _try(self, slot: Slot, item: OutboxItem) -> None:
        """Deliver it, or leave it."""
        if await self._carried(slot, item):
            await self._delivered(slot, [item])

    async def _carried(self, slot: Slot, item: OutboxItem) -> bool:
        """Whether it is at its target now. A refused item must not stop those behind it: it stays, and `outbox_take`
        lets it wait longer for each try."""
        try:
            return await self._carry(slot, item)
        except StoreRefused as error:
            if is_away(error) or is_full(error):
                raise
            self._tell_stuck(slot, item.id.encode(), str(error))
            return False
        except StoreUnavailable:
            raise
        except Exception as error:  # whatever an item holds, or a defect of ours: it must cost itself only
            self._tell_stuck(slot, item.id.encode(), f"{type(error).__name__}: {error}")
            return False

    def _tell_stuck(self, slot: Slot, item: bytes, reason: str) -> None:
        if (slot.name, item) not in self._stuck and len(self._stuck) < MOST_TOLD:
            self._stuck[slot.name, item] = None
            self.observer.saw(Stuck(slot.name, _named(item), reason))

    def _tell_over(self, slot: Slot, item: bytes) -> None:
        if (slot.name, item) in self._stuck:
            del self._stuck[slot.name, item]
            self.observer.saw(Unstuck(slot.name, _named(item)))

    def stuck_only(self, slots: Collection[str]) -> None:
        """What other slots' items were told as is another worker's to tell from now on."""
        for name, item in list(self._stuck):
            if name not in slots:
                del self._stuck[name, item]
                self.observer.saw(Unstuck(name, _named(item)))

    def has_stuck(self, slot: Slot) -> bool:
        """Whether an item there was told as stuck: somebody must look whether it still is."""
        return any(name == slot.name for name, _ in self._stuck)

    async def _look_over(self, slot: Slot) -> None:
        """Another worker may have delivered what was refused here, or a person taken it away: that is told as over."""
        told = [item for name, item in self._stuck if name == slot.name][:LOOKED_OVER]
        there = await self.calls.store.calls([("HEXISTS", slot.outbox_items, item) for item in told]) if told else []
        for item, answer in zip(told, there, strict=True):
            if answer == 0:
                self._tell_over(slot, item)
            elif (slot.name, item) in self._stuck:
                self._stuck[slot.name, item] = self._stuck.pop((slot.name, item))  # the others have their turn

    async def flush(self, slot: Slot, items: list[OutboxItem]) -> None:
        """Deliver these now, for a writer outside a run."""
        for item in items:
            await self.deliver(slot, item)

    async def deliver(self, slot: Slot, item: OutboxItem) -> None:
        """Carry one item to its target, then delete it."""
        if await self._carry(slot, item):
            await self._delivered(slot, [item])

    async def _carry(self, slot: Slot, item: OutboxItem) -> bool:
        """Whether it is to be deleted now, since it is at its target."""
        try:
            match item.kind:
                case "event":
                    await self.publisher.send_item(item)
                case "release":
                    await self._release(item)
                case "wake":
                    await self._wake(item)
                case "await":
                    if not await self.waits.register(item):
                        return False  # it stays until a worker comes by that knows the event
                case "unwait":
                    await self.waits.call_off(item)
                case _:
                    return False  # a newer worker's: it stays until one of those comes by
        except (EventInvalid, ContractError) as error:
            await self._give_up(slot, item, str(error))
            return False
        except ValueError as error:  # a wait that can't be read: anyone may have written it, or a newer worker
            self._tell_stuck(slot, item.id.encode(), str(error))
            return False
        return True

    async def _delivered(self, slot: Slot, items: list[OutboxItem]) -> None:
        await self.calls.outbox_done(slot, [item.id for item in items])
        for item in items:
            self._tell_over(slot, item.id.encode())
            self.observer.saw(OutboxDelivered(slot.name, item.kind, item.target))

    async def _release(self, item: OutboxItem) -> None:
        next_holder = await self.calls.release(
            item.target, item.permit, item.run, item.ttl_ms, claim=item.claim, most=item.most, by=item.by
        )
        if next_holder:
            await self.deliver(self.calls.keys.function_slot(item.target), next_holder)

    async def _wake(self, item: OutboxItem) -> None:
        slot = self.calls.keys.slot(item.target)
        if await self.calls.wake(slot, item.call, item.run) == 0:
            member = f"{item.target}|{item.run}"
            next_holder = await self.calls.release(
                item.call, item.permit, member, item.ttl_ms, claim=item.claim, most=item.most
            )
            if next_holder:
                self.post(self.calls.keys.function_slot(item.call), next_holder)

    async def _give_up(self, slot: Slot, item: OutboxItem, reason: str) -> None:
        await self.calls.outbox_done(slot, [item.id])
        self._tell_over(slot, item.id.encode())
        self.observer.saw(OutboxUndeliverable(slot.name, item.id, reason))


def _named(item: bytes) -> str:
    return f"outbox item {item.decode('utf-8', 'replace')}"
