"""One delivery, from entry to outcome: through the door, to its permit, into the handler, settled."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import anyio

from joelclaw_bus.cancels import Cancels
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.door import Admitted, Door, Incoming
from joelclaw_bus.errors import BusError
from joelclaw_bus.event import Tick
from joelclaw_bus.functions import Function
from joelclaw_bus.leases import Held, Leases
from joelclaw_bus.left_alone import LeftAlone
from joelclaw_bus.observer import LeaseLost, Observer, RunStarted, WriteRefused
from joelclaw_bus.outbox import Outbox
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.perform import NotOurs, perform
from joelclaw_bus.permits import Claimed, Permits
from joelclaw_bus.run_calls import Refused, RunCalls
from joelclaw_bus.settle import Failed, NoPermit, Outcome, Rest, Settler, Skipped
from joelclaw_bus.starts import Starts
from joelclaw_bus.step import Step
from joelclaw_bus.waiting import Waiting
from joelclaw_bus.wording import line_of


@dataclass
class Executor:
    """Runs deliveries of one worker. `fallback_ms`: after how long a run without a permit asks again."""

    door: Door
    calls: RunCalls
    permits: Permits
    starts: Starts
    settler: Settler
    outbox: Outbox
    leases: Leases
    left_alone: LeftAlone
    observer: Observer
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
        newer = False
        try:
            with held.scope:
                if held.scope.cancel_called:  # it waited for its turn until the worker stopped
                    return
                admitted = await self.door.admit(fn, incoming, held.delivery, partial(self.settler.insist, held))
                if isinstance(admitted, Admitted):
                    await self._run(fn, held, admitted)
                newer = isinstance(admitted, Refused) and admitted.why == "newer"
            # Not `held.lost`: a renewal that crossed our own acknowledgement finds the entry gone, and nothing is lost.
            if held.scope.cancelled_caught and not held.abandoned:
                self.observer.saw(LeaseLost(fn.id, held.delivery.run))
            if held.give_back:
                await self._give_back(held.delivery, held.give_back)
        finally:
            self.leases.drop(held)
        if newer:
            await self.left_alone.leave(fn.id, held.delivery.source, [incoming.entry])

    async def _run(self, fn: Function, held: Held, admitted: Admitted) -> None:
        """From an admitted run to its settled outcome."""
        d, event = held.delivery, admitted.event
        began = time.monotonic()
        permit, fault = self._permit(fn, d, admitted)
        skips = self._skips_overlap(fn, admitted)
        outcome: Outcome | NotOurs
        cancels = None
        if fn.cancel_on or b"cancels" in admitted.begun.record:
            cancels = Cancels(fn.cancel_on, event, self._waiting(fn, d, admitted))
        if cancels and not fault and not admitted.unwanted:
            try:
                if not await cancels.stand():
                    return
            except ValueError as error:  # a field of the event's that can't be matched
                fault = f"its cancel_on failed: {error}"
        hindrance = None
        if fn.is_paced and not fault and not admitted.unwanted:
            hindrance = await self.starts.hindrance(fn, d, event, admitted.begun.record)
        if admitted.unwanted:
            permit = permit if admitted.begun.record else None
            outcome = Skipped("its when= filter does not want it")
        elif fault:
            outcome = Failed(fault, None)
        elif hindrance:
            outcome = hindrance
            if isinstance(hindrance, Rest) or b"permit" not in admitted.begun.record:
                permit = None  # it has none; else it was in the line for one before it was hindered, or has it by now
        elif permit and not await self.permits.claim(permit, line_up=not skips):
            refused = NoPermit(permit.patience_ms(self.fallback_ms), permit)
            outcome, permit = Skipped("an earlier run is still open") if skips else refused, None
        else:
            if permit:
                held.permit, held.give_back = permit.held, permit.release() if permit.until_the_end else None
            started = RunStarted(fn.id, d.run, event.name, admitted.attempt, admitted.begun.begins, event.traceparent)
            self.observer.saw(started)
            outcome = await perform(fn, event, self._step(fn, held, admitted), dice=self.dice())
        if isinstance(outcome, NotOurs):
            self.observer.saw(WriteRefused(fn.id, d.run, outcome.operation, outcome.why))
            return
        settled = await self.settler.settle(
            held,
            fn,
            outcome,
            event=event,
            attempt=admitted.attempt,
            permit=permit,
            keep=bool(admitted.begun.record) or (fn.keeps_records and not admitted.unwanted),
            seconds=time.monotonic() - began,
            redriven=admitted.begun.redriven,
            at_the_end=cancels.unwaits() if cancels else (),
        )
        if settled:
            held.permit = held.give_back = None

    async def _give_back(self, d: Delivery, item: OutboxItem) -> None:
        """A handler has stopped whose outcome was not written. If its run was ended from outside, the next one of its
        exclusive permit waits for just that; if it is open, it keeps the permit."""
        with suppress(BusError), anyio.CancelScope(shield=True):  # without a word the permit expires a lease later
            if await self.calls.ended_by(d.slot, d.run) is not None:
                self.outbox.post(d.slot, item)

    def _permit(self, fn: Function, d: Delivery, admitted: Admitted) -> tuple[Claimed | None, str]:
        """The permit that this run needs, or None; and what speaks against running it."""
        if not fn.limit:
            return None, admitted.fault
        try:
            rested = admitted.begun.record.get(b"by", b"").decode("utf-8", "replace")
            return self.permits.of(fn, fn.limit.key_of(admitted.event), d.slot, d.run, d.claim, rested), admitted.fault
        except Exception as error:  # a limit's key is the service's code: its fault ends this run, not the worker
            return None, admitted.fault or f"its limit's key= failed: {line_of(error)}"

    def _step(self, fn: Function, held: Held, admitted: Admitted) -> Step:
        d = held.delivery
        journal = {k[2:].decode(): v for k, v in admitted.begun.record.items() if k.startswith(b"s:")}
        waiting = self._waiting(fn, d, admitted)
        return Step(
            run_id=d.run,
            attempt=admitted.attempt,
            now_ms=waiting.now_ms,
            _delivery=d,
            _calls=self.calls,
            _observer=self.observer,
            _posted=lambda item: self.outbox.post(d.slot, item),
            _insist=lambda write: self.settler.insist(held, write),
            _journal=journal,
            _waiting=waiting,
            _clock=waiting.clock,
            _traceparent=admitted.event.traceparent,
        )

    def _waiting(self, fn: Function, d: Delivery, admitted: Admitted) -> Waiting:
        declared = frozenset(model.event_name for model in fn.awaits)
        clock = partial(self.door.clock.now_at, d.slot.stream)
        begun = admitted.begun
        return Waiting(d, self.outbox.waits, declared, begun.record, admitted.event.entry, begun.now_ms, clock)

    def _skips_overlap(self, fn: Function, admitted: Admitted) -> bool:
        """Whether this is a tick that is skipped when it finds no permit: one that has not begun before."""
        tick = admitted.event.data
        if not admitted.fresh or not isinstance(tick, Tick):
            return False
        return any(t.overlap == "skip" for t in fn.cron_triggers if t.expression.text == tick.schedule)
