"""The door: what may come to a handler. Reads an entry, sets aside what can't be read, and fences what can.

| the entry                                            | what becomes of it                                      |
|------------------------------------------------------|---------------------------------------------------------|
| does not validate                                    | buried once, answered once                              |
| its trigger's filter does not want it                | acknowledged; or, with a record, admitted as `unwanted` |
| belongs to a run that is open elsewhere, or ended    | acknowledged, not run                                   |
| was begun too often without an end                   | admitted with a `fault`                                 |
| is of a resting run that the model now refuses       | admitted with a `fault`                                 |
| belongs to a run that only a newer build may begin   | refused as `newer`: whoever brought it lets go of it    |
| else                                                 | admitted, fenced where it needs a fence now             |

Its calls are shielded: what acknowledges an entry makes a renewal on its way find it gone, and cancel us before the
answer is here. The deed would be done and never told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from joelclaw_bus import intake
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.event import Event, Tick
from joelclaw_bus.functions import Function, Functions
from joelclaw_bus.keys import Slot
from joelclaw_bus.limits import Limits
from joelclaw_bus.observer import DuplicateDropped, EventBuried, Observer, UnknownFields, WriteRefused
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.publisher import item_of
from joelclaw_bus.run_calls import Begun, Dropped, Poisoned, Refused, RunCalls
from joelclaw_bus.run_names import parts_of_run, run_id
from joelclaw_bus.wording import line_of
from joelclaw_contracts import PayloadInvalid

Insist = Callable[[Callable[[], Awaitable[bool | Refused]]], Awaitable[bool | Refused]]


@dataclass(frozen=True, slots=True)
class Incoming:
    """An entry as it was read: from the event stream or (`ready`) the ready stream; `again`: delivered before."""

    slot: Slot
    entry: str
    fields: Mapping[bytes, bytes]
    ready: bool
    again: bool


@dataclass(frozen=True, slots=True)
class Admitted:
    """A run that is ours to bring to an outcome. With a `fault`, or `unwanted`, its handler is not called.

    `fresh`: its event's first delivery, so that nothing of it can have been done.
    """

    event: Event[Any]
    begun: Begun
    fault: str = ""
    unwanted: bool = False
    fresh: bool = False

    @property
    def attempt(self) -> int:
        return int(self.begun.record.get(b"attempt", b"0"))


@dataclass(frozen=True, slots=True)
class Door:
    functions: Functions
    calls: RunCalls
    outbox: Outbox
    clock: ServerClock
    observer: Observer
    limits: Limits

    async def admit(self, fn: Function, incoming: Incoming, d: Delivery, insist: Insist) -> Admitted | Refused | None:
        """The run to perform; None when this delivery is dealt with, Refused when it is not ours to deal with. Names
        the delivery's run. `insist`: repeats a burial until the store answers."""
        # A node may have been away when this worker started, and our own wall clock may be far off this entry's.
        await self.clock.meet(incoming.slot.stream)
        if incoming.ready:
            begun = await self._fence(fn, d, explicit_id="", record_wanted=True)
            return self._resumed(fn, incoming, d, *begun) if isinstance(begun, tuple) else begun
        reading = intake.read(fn, incoming.slot, incoming.entry, incoming.fields, self.limits)
        if isinstance(reading, intake.Unreadable):
            await self._bury(fn, d, reading, insist)
            return None
        event, explicit_id, wire = reading
        d.run = run_id(fn.id, event.id, given=bool(explicit_id))
        fault, wanted = "", True
        try:
            wanted = fn.wants(event)
        except Exception as error:  # a filter is the service's code: its fault ends this run, not the worker
            fault = f"its when= filter failed: {line_of(error)}"
        if not wanted and not incoming.again and not explicit_id:
            with anyio.CancelScope(shield=True):
                await self.calls.finish(d, status="skipped")
            return None
        if wanted and (unknown := type(event.data).unknown_fields(wire)):
            self.observer.saw(UnknownFields(event.name, tuple(unknown)))
        begun = (Begun(self.clock.now_at(incoming.slot.stream), 0, {}), "")
        d.begins(begun[0].now_ms, self.clock.local)
        if incoming.again or explicit_id or fn.keeps_records or fn.awaits:
            # Unwanted now, it may still have a record of a begin under an older filter: only its fence can end that.
            fenced = await self._fence(fn, d, explicit_id=explicit_id, record_wanted=fn.keeps_records and wanted)
            if not isinstance(fenced, tuple):
                return fenced
            begun = fenced
        return Admitted(event, begun[0], begun[1] or fault, unwanted=not wanted, fresh=not incoming.again)

    def run_of(self, fn: Function, incoming: Incoming) -> str:
        """The run that an entry belongs to; '' when it can't be read."""
        if incoming.ready:
            return incoming.fields.get(b"run", b"").decode("utf-8", "replace")
        reading = intake.read(fn, incoming.slot, incoming.entry, incoming.fields, self.limits)
        if isinstance(reading, intake.Unreadable):
            return ""
        return run_id(fn.id, reading.event.id, given=bool(reading.explicit_id))

    async def _fence(
        self, fn: Function, d: Delivery, *, explicit_id: str, record_wanted: bool
    ) -> tuple[Begun, str] | Refused | None:
        """The begin and what speaks against running it; else why it must not run."""
        with anyio.CancelScope(shield=True):
            answer = await self.calls.begin(
                d, explicit_id=explicit_id, record_wanted=record_wanted, looks_back=bool(fn.awaits)
            )
        match answer:
            case Begun():
                d.begins(answer.now_ms, self.clock.local)
                return answer, ""
            case Poisoned(begun):
                return begun, f"poisoned: {begun.begins - 1} begins without an end; its handler ends its worker"
            case Refused(why):
                self.observer.saw(WriteRefused(fn.id, d.run, "begin", why))
                return answer
            case Dropped():
                self.observer.saw(DuplicateDropped(fn.id, d.run))
        return None

    def _resumed(self, fn: Function, incoming: Incoming, d: Delivery, begun: Begun, fault: str) -> Admitted:
        """A resting run with the event that it carries along, which the present model may refuse."""
        fields = {k[2:]: v for k, v in begun.record.items() if k.startswith(b"e:")}
        entry = fields.pop(b"entry", incoming.entry.encode()).decode()
        reading = intake.read(fn, incoming.slot, entry, fields, Limits(event_bytes=2**31))
        if not isinstance(reading, intake.Unreadable):
            return Admitted(reading.event, begun, fault)
        stand_in = Event(incoming.slot.name, parts_of_run(d.run)[1], entry, 0, "", "", Tick(schedule="", nominal_ms=0))
        return Admitted(stand_in, begun, fault or reading.error)

    async def _bury(self, fn: Function, d: Delivery, reading: intake.Unreadable, insist: Insist) -> None:
        letter = [*reading.letter, "function", fn.id]
        try:
            items = self._answers(d, reading)
        except Exception as error:  # the service's code again: the letter is buried all the same
            items = []
            letter += ["answer", line_of(error)]
        asked = False

        async def bury() -> bool | Refused:
            nonlocal asked
            again, asked = asked, True
            answer = await self.calls.bury(d, letter, items)
            # We asked before and had no answer: the entry is gone, so it may have been buried then.
            return await self.calls.was_buried(d) if again and answer == Refused("gone") else answer

        first = await insist(bury)
        if isinstance(first, Refused):
            self.observer.saw(WriteRefused(fn.id, d.entry, "bury", first.why))
            return
        self.observer.saw(EventBuried(fn.id, d.slot.name, d.entry, reading.error, first))
        if first:
            for item in items:
                self.outbox.post(d.slot, item)

    def _answers(self, d: Delivery, reading: intake.Unreadable) -> list[OutboxItem]:
        answer = self.functions.on_invalid.get(d.slot.name)
        if answer is None:
            return []
        problem = reading.error.removeprefix(f"{d.slot.name}: ")  # PayloadInvalid names the event itself
        events = answer(reading.data, PayloadInvalid(d.slot.name, None, problem), reading.event_id)
        now = self.clock.now_ms()
        return [
            item_of(e, id=f"invalid:{d.slot.name}:{d.entry}:{n}", source=d.function, now_ms=now)
            for n, e in enumerate(events)
        ]
