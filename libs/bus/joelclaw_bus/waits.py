"""Carrying what runs wait for between two slots: registering, looking back, telling a run what has come.

Every part can be repeated: a wait is registered under its id, and a run takes each awaited event once. So whoever dies
on the way leaves either an outbox item or a pending entry, and the next one does it again.

Only a worker that knows the event's model carries it: what does not validate ends no wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from joelclaw_bus.awaited import Wait, encode_arrival, entry_after
from joelclaw_bus.event import Event
from joelclaw_bus.intake import Unreadable, read_as
from joelclaw_bus.keys import WAITS_GROUP, Slot
from joelclaw_bus.observer import Observer, RunCancelled, WaitEnded
from joelclaw_bus.order_calls import OrderCalls
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.run_names import CANCEL
from joelclaw_bus.slot_calls import GroupCalls
from joelclaw_bus.wait_calls import Found, WaitCalls
from joelclaw_contracts import EventModel

JUST_NOW_MS = 1
"""How far back a first group of waits reads: each wait looks back for itself."""


@dataclass
class Waits:
    """`models`: the events that functions of this worker wait for."""

    calls: GroupCalls
    wait_calls: WaitCalls
    models: Mapping[str, type[EventModel]]
    observer: Observer
    _grouped: set[str] = field(default_factory=set)

    def slots(self) -> list[Slot]:
        return [self.calls.keys.slot(name) for name in self.models]

    async def ensure_group(self, slot: Slot) -> tuple[int, str]:
        """The system group of an awaited slot: (0 there already, 1 new, 2 lost and going on; its start)."""
        code, start, _ = await self.calls.ensure_group(slot, WAITS_GROUP, ready=False, first_read_ms=JUST_NOW_MS)
        self._grouped.add(slot.name)
        return code, start

    async def register(self, item: OutboxItem, *, of_ours: bool = False) -> bool:
        """Deliver a wait to the awaited slot; False when it is for another worker, that knows the event. of_ours: its
        run is in our hands, and open."""
        wait = Wait.decode(item.data)
        if wait.event not in self.models:
            # Once it is over nobody needs it: its run's time-out looks for itself.
            return await self.calls.store.time_ms() > wait.ends_ms
        slot = self.calls.keys.slot(wait.event)
        if slot.name not in self._grouped:  # before the look back, or an entry could fall between the two
            await self.ensure_group(slot)
        found = await self.look(wait, register=True)
        while found and await self.tell(wait, found) is None:
            found = await self.look(replace(wait, since=entry_after(found.entry)), register=False)
        # What cancels a run is awaited for as long as it is open: who ended it may have called this off before it came.
        if found or (wait.step == CANCEL and not of_ours and await self._is_over(wait)):
            await self.wait_calls.unwait(slot, [wait.id])
        return True

    async def _is_over(self, wait: Wait) -> bool:
        state = await self.calls.store.call("HGET", self.calls.keys.slot(wait.slot).run(wait.run), "state")
        return state in (None, b"ended")

    async def call_off(self, item: OutboxItem) -> None:
        """Take a wait away that nobody has any more."""
        await self.wait_calls.unwait(self.calls.keys.slot(item.target), [item.event_id])

    async def look(self, wait: Wait, *, register: bool, to: str = "+") -> Found | None:
        """The oldest event on the stream, from `wait.since` on, that validates and ends this wait."""
        slot = self.calls.keys.slot(wait.event)
        since = wait.since
        while since:
            page = await self.wait_calls.look(slot, wait, since=since, to=to, register=register)
            if isinstance(page, str):
                since = page
            elif page.entry not in wait.but and self.read(slot, page):
                return page
            else:
                since = f"({page.entry}"
        return None

    def read(self, slot: Slot, found: Found) -> Event[EventModel] | None:
        """The event; None when it does not validate."""
        reading = read_as(self.models[slot.name], slot, found.entry, found.fields, self.calls.limits)
        return None if isinstance(reading, Unreadable) else reading[0]

    async def tell(self, wait: Wait, found: Found) -> bool | None:
        """Tell the run; False when it does not wait for this any more, None when it waits for another one."""
        slot = self.calls.keys.slot(wait.slot)
        if wait.step == CANCEL:
            return await self._cancel(slot, wait, found)
        answer = await self.wait_calls.arrive(slot, wait, encode_arrival(found.entry, found.fields))
        if answer in (1, 2):
            self.observer.saw(WaitEnded(wait.run, wait.event, found.entry))
        return None if answer == 3 else answer != 0

    async def _cancel(self, slot: Slot, wait: Wait, found: Found) -> bool:
        """End the run, whatever it does; False when it had ended."""
        why = f"cancelled by {wait.event} {found.entry}"
        cancelled = await OrderCalls(self.calls.store, self.calls.limits).cancel(slot, wait.run, why)
        if cancelled.done:
            self.observer.saw(RunCancelled(wait.function, wait.run, wait.event, found.entry, cancelled.was))
        return cancelled.done
