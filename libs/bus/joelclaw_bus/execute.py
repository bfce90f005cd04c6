"""One delivery, from entry to outcome: read it, fence it, find its permit, run the handler, settle."""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from joelclaw_bus import intake
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.errors import Reject, RetryAfter
from joelclaw_bus.event import Event, Tick
from joelclaw_bus.functions import Function, Functions
from joelclaw_bus.keys import Slot, parts_of_run, run_id
from joelclaw_bus.leases import Held, Leases
from joelclaw_bus.limits import Limits
from joelclaw_bus.observer import (
    DuplicateDropped,
    EventBuried,
    LeaseLost,
    Observer,
    RunStarted,
    UnknownFields,
    WriteRefused,
)
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.permits import Claimed, Permits
from joelclaw_bus.publisher import item_of
from joelclaw_bus.run_calls import Begun, Delivery, Dropped, Poisoned, Refused, RunCalls
from joelclaw_bus.settle import Completed, Failed, NoPermit, Outcome, Rest, Retry, Settler, Skipped
from joelclaw_bus.step import LeaseGone, Park, Step, StepInvalid
from joelclaw_contracts import EventModel, PayloadInvalid


@dataclass(frozen=True, slots=True)
class Incoming:
    """An entry as it was read: from the event stream or (`ready`) the ready stream; `again`: delivered before."""

    slot: Slot
    entry: str
    fields: Mapping[bytes, bytes]
    ready: bool
    again: bool


@dataclass(frozen=True, slots=True)
class Unread:
    """A resting run whose event the present model refuses; `stand_in` carries what is known of it."""

    error: str
    stand_in: Event[Any]


@dataclass
class Executor:
    """Runs deliveries of one worker."""

    functions: Functions
    calls: RunCalls
    permits: Permits
    settler: Settler
    outbox: Outbox
    leases: Leases
    clock: ServerClock
    observer: Observer
    limits: Limits
    consumer: str
    fallback_ms: int
    dice: Callable[[], float] = field(default=random.random)

    def take(self, fn: Function, incoming: Incoming) -> Held | None:
        """Hold an entry from the moment it is ours; None when it is in our hands already."""
        run = ""
        if incoming.ready:
            run = incoming.fields.get(b"run", b"").decode("utf-8", "replace")
        return self.leases.take(
            Delivery(
                slot=incoming.slot,
                function=fn.id,
                consumer=self.consumer,
                entry=incoming.entry,
                run=run,
                claim=secrets.token_hex(8),
                ready=incoming.ready,
            )
        )

    async def serve(self, fn: Function, incoming: Incoming, held: Held) -> None:
        """Bring one held delivery to its outcome, and let go of it."""
        try:
            with held.scope:
                await self._serve(fn, incoming, held)
            if held.lost:
                self.observer.saw(LeaseLost(fn.id, held.delivery.run))
        finally:
            self.leases.drop(held)

    async def _serve(self, fn: Function, incoming: Incoming, held: Held) -> None:
        if incoming.ready:
            await self._run(fn, incoming, held, None, "")
            return
        reading = intake.read(fn, incoming.slot, incoming.entry, incoming.fields, self.limits)
        if isinstance(reading, intake.Unreadable):
            await self._bury(fn, held, reading)
            return
        event, explicit_id = reading
        held.delivery.run = run_id(fn.id, event.id)
        try:
            wanted = fn.wants(event)
        except Exception as error:  # a filter is the service's code: its fault ends this run, not the worker
            await self._run(fn, incoming, held, event, explicit_id, fault=f"its when= filter failed: {_text(error)}")
            return
        if not wanted and not (incoming.again or explicit_id):
            await self.calls.finish(held.delivery, status="skipped")
            return
        if not wanted:  # it may have a record, of a begin under an older filter: then only its fence can end it
            await self._run(fn, incoming, held, event, explicit_id, unwanted=True)
            return
        unknown = type(event.data).unknown_fields(json.loads(incoming.fields[b"data"]))
        if unknown:
            self.observer.saw(UnknownFields(event.name, tuple(unknown)))
        await self._run(fn, incoming, held, event, explicit_id)

    async def _run(
        self,
        fn: Function,
        incoming: Incoming,
        held: Held,
        event: Event[EventModel] | None,
        explicit_id: str,
        fault: str = "",
        unwanted: bool = False,
    ) -> None:
        """Fence the delivery where it needs one now, and go on to the handler (not with a `fault`, nor `unwanted`)."""
        begun = Begun(self.clock.now_ms(), 0, {})
        if event is None or incoming.again or explicit_id or fn.limit:
            d = held.delivery
            answer = await self.calls.begin(
                d, explicit_id=explicit_id, record_wanted=fn.limit is not None and not unwanted
            )
            match answer:
                case Refused(why):
                    self.observer.saw(WriteRefused(fn.id, d.run, "begin", why))
                    return
                case Dropped():
                    self.observer.saw(DuplicateDropped(fn.id, d.run))
                    return
                case Poisoned(begins):
                    fault = f"poisoned: {begins - 1} begins without an end; its handler ends its worker"
                case Begun():
                    begun = answer
        reading = event or _event_of_record(fn, incoming, held.delivery.run, begun.record)
        if isinstance(reading, Unread):
            await self._perform(fn, incoming, held, reading.stand_in, begun, fault or reading.error)
        else:
            await self._perform(fn, incoming, held, reading, begun, fault, unwanted)

    async def _perform(
        self,
        fn: Function,
        incoming: Incoming,
        held: Held,
        event: Event[Any],
        begun: Begun,
        fault: str,
        unwanted: bool = False,
    ) -> None:
        """From a begun run to its settled outcome."""
        d = held.delivery
        attempt = int(begun.record.get(b"attempt", b"0"))
        permit: Claimed | None = None
        began = time.monotonic()
        outcome: Outcome | None
        if fn.limit:
            try:
                permit = self.permits.of(fn, fn.limit.key_of(event), incoming.slot, d.run, d.claim)
            except Exception as error:  # the service's code, as above
                fault = fault or f"its limit's key= failed: {_text(error)}"
        skips = self._skips_overlap(fn, incoming.slot)
        if unwanted:
            permit = permit if begun.record else None
            outcome = Skipped("its when= filter does not want it")
        elif fault:
            outcome = Failed(fault, None)
        elif permit and not await self.permits.claim(permit, line_up=not skips):
            permit = None
            outcome = Skipped("an earlier run is still open") if skips else NoPermit(self.fallback_ms)
        else:
            held.permit = permit.held if permit and not permit.until_the_end else None
            self.observer.saw(RunStarted(fn.id, d.run, event.name, attempt, begun.begins, event.traceparent))
            outcome = await self._handle(fn, event, self._step(d, begun, attempt, event.traceparent), attempt)
        if outcome is None:
            return
        await self.settler.settle(
            held,
            fn,
            outcome,
            event=event,
            attempt=attempt,
            permit=permit,
            keep=bool(begun.record) or fn.limit is not None,
            seconds=time.monotonic() - began,
        )

    def _step(self, d: Delivery, begun: Begun, attempt: int, traceparent: str) -> Step:
        journal = {k[2:].decode(): v for k, v in begun.record.items() if k.startswith(b"s:")}
        return Step(
            run_id=d.run,
            attempt=attempt,
            now_ms=begun.now_ms,
            _delivery=d,
            _calls=self.calls,
            _observer=self.observer,
            _posted=lambda item: self.outbox.post(d.slot, item),
            _journal=journal,
            _traceparent=traceparent,
        )

    async def _handle(self, fn: Function, event: Event[Any], step: Step, attempt: int) -> Outcome | None:
        """The handler's outcome; None when this delivery is no longer ours."""
        try:
            with anyio.fail_after(fn.timeout):
                result = await fn.handler(event, step)
            return Completed(step.result_of(result))
        except BaseExceptionGroup as group:
            # A handler may use task groups of its own: what leaves the journal in one of them counts.
            inner = group.subgroup((Park, LeaseGone))
            return self._outcome_of(fn, _first(inner or group), attempt)
        except (Park, LeaseGone, Exception) as error:  # whatever a handler raises becomes its run's outcome
            return self._outcome_of(fn, error, attempt)

    def _outcome_of(self, fn: Function, error: BaseException, attempt: int) -> Outcome | None:
        match error:
            case LeaseGone():
                self.observer.saw(WriteRefused(fn.id, str(error), error.operation, error.why))
                return None
            case Park():
                return Rest(error.step, error.delay_ms, error.at_ms)
            case StepInvalid():  # the handler's own fault: it would fail again
                return Failed(_text(error), error)
            case Reject():
                return Failed(_line(str(error)) or "rejected", error.__cause__ or error)
            case Exception():
                text = _text(error) if not isinstance(error, RetryAfter) else _line(str(error))
                if attempt >= fn.retries:
                    return Failed(text, error)
                wanted = round(error.seconds * 1000) if isinstance(error, RetryAfter) else 0
                return Retry(max(wanted, fn.backoff.delay_ms(attempt, self.dice())), text)
            case _:
                raise error

    def _skips_overlap(self, fn: Function, slot: Slot) -> bool:
        """Whether this is a tick that is skipped when it finds no permit."""
        ticks = [t for t in fn.cron_triggers if t.overlap == "skip"]
        return bool(ticks) and slot == self.calls.store.keys.cron_slot(fn.id)

    async def _bury(self, fn: Function, held: Held, reading: intake.Unreadable) -> None:
        d = held.delivery
        letter = [*reading.letter, "function", fn.id]
        try:
            items = self._answers(d, reading)
        except Exception as error:  # the service's code again: the letter is buried all the same
            items = []
            letter += ["answer", _text(error)]
        first = await self.calls.bury(d, letter, items)
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
        error = PayloadInvalid(d.slot.name, None, reading.error)
        events = answer(reading.data, error, reading.event_id)
        now = self.clock.now_ms()
        return [item_of(e, id=f"invalid:{d.entry}:{n}", source=d.function, now_ms=now) for n, e in enumerate(events)]


def _event_of_record(
    fn: Function, incoming: Incoming, run: str, record: Mapping[bytes, bytes]
) -> Event[EventModel] | Unread:
    """The event that a resting run carries along, or why it can't be read any more."""
    fields = {k[2:]: v for k, v in record.items() if k.startswith(b"e:")}
    entry = fields.pop(b"entry", incoming.entry.encode()).decode()
    reading = intake.read(fn, incoming.slot, entry, fields, Limits(event_bytes=2**31))
    if not isinstance(reading, intake.Unreadable):
        return reading[0]
    stand_in = Event(incoming.slot.name, parts_of_run(run)[1], entry, 0, "", "", Tick(schedule="", nominal_ms=0))
    return Unread(reading.error, stand_in)


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def _text(error: BaseException) -> str:
    return _line(f"{type(error).__name__}: {error}")


def _line(text: str) -> str:
    """One line, bounded: an error message is kept, shown and sent. Half a surrogate (a file's name) can't be sent."""
    return " ".join(text.encode("utf-8", "backslashreplace").decode().split())[:2000]
