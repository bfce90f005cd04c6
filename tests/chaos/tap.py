"""Writes into the ledger what a worker really does: what it takes and lets go, and every write that was accepted.

It wraps the bus's own calls from outside, so it works on any build. What it writes stands in the ledger after the
store has answered; a worker that is killed in between leaves no line, so a missing line accuses nobody.

| line     | says                                                                                             |
|----------|--------------------------------------------------------------------------------------------------|
| take     | an entry is in these hands; `again`: it was taken over                                           |
| drop     | these hands let go of it, settled or not                                                         |
| idle     | a read ended well and brought nothing: there was nothing to be read                              |
| begin    | the fence was given: `known` are the steps that this begin finds journaled                       |
| wrote    | a step, a park or a finish was accepted                                                          |
| refused  | a write was refused, with the reason; `dropped`: the delivery was acknowledged without a run     |
| fact     | what the worker told its observer about trouble                                                  |
"""

from __future__ import annotations

from typing import Any

from joelclaw_bus.delivery import Delivery
from joelclaw_bus.door import Incoming
from joelclaw_bus.execute import Executor
from joelclaw_bus.functions import Function
from joelclaw_bus.leases import Held, Leases
from joelclaw_bus.observer import (
    AuditFound,
    Discontinuity,
    EventBuried,
    Fact,
    LeaseLost,
    OutboxUndeliverable,
    StoreBack,
    StoreTrouble,
    StreamLost,
    Stuck,
    TakenOver,
    TickEnqueued,
    WorkerFault,
)
from joelclaw_bus.reader import GroupReader
from joelclaw_bus.run_calls import Begun, Dropped, Poisoned, Refused, RunCalls
from joelclaw_bus.store import Reader
from tests.chaos.ledger import Ledger

TOLD = (
    *(AuditFound, Discontinuity, EventBuried, LeaseLost, OutboxUndeliverable, StoreBack, StoreTrouble),
    *(StreamLost, Stuck, TakenOver, WorkerFault),
)


def install(ledger: Ledger) -> None:
    _tap_hands(ledger)
    _tap_reads(ledger)
    _tap_begin(ledger)
    for operation in ("step", "park", "finish"):
        _tap_write(ledger, operation)


def _tap_hands(ledger: Ledger) -> None:
    take, drop = Executor.take, Leases.drop

    def taking(self: Executor, fn: Function, incoming: Incoming) -> Held | None:
        held = take(self, fn, incoming)
        if held:
            d = held.delivery
            ledger.write("take", at=d.source, entry=d.entry, again=incoming.again, claim=d.claim)
        return held

    def dropping(self: Leases, held: Held) -> None:
        ledger.write("drop", at=held.delivery.source, entry=held.delivery.entry, claim=held.delivery.claim)
        drop(self, held)

    Executor.take = taking  # type: ignore[method-assign]  # listened to from outside
    Leases.drop = dropping  # type: ignore[method-assign]  # the same


def _tap_reads(ledger: Ledger) -> None:
    step = GroupReader.step

    async def reading(self: GroupReader, reader: Reader) -> int:
        read = await step(self, reader)
        if not read:
            ledger.write("idle", at=self.slot.stream)
        return read

    GroupReader.step = reading  # type: ignore[method-assign]  # listened to from outside


def _tap_begin(ledger: Ledger) -> None:
    real = RunCalls.begin

    async def begin(self: RunCalls, d: Delivery, **how: Any) -> Begun | Dropped | Poisoned | Refused:
        answer = await real(self, d, **how)
        match answer:
            case Begun() | Poisoned():
                begun = answer if isinstance(answer, Begun) else answer.begun
                known = [k[2:].decode() for k in begun.record if k.startswith(b"s:")]
                form = int(begun.record.get(b"v", b"0"))
                ledger.write(
                    "begin", run=d.run, claim=d.claim, now=begun.now_ms, begins=begun.begins, known=known, form=form
                )
            case Dropped(why):
                ledger.write("dropped", run=d.run, claim=d.claim, why=why)
            case Refused(why):
                ledger.write("refused", op="begin", run=d.run, claim=d.claim, why=why)
        return answer

    RunCalls.begin = begin  # type: ignore[method-assign]  # listened to from outside


def _tap_write(ledger: Ledger, operation: str) -> None:
    real = getattr(RunCalls, operation)

    async def write(self: RunCalls, d: Delivery, *what: Any, **how: Any) -> Any:
        answer = await real(self, d, *what, **how)
        if isinstance(answer, Refused):
            ledger.write("refused", op=operation, run=d.run, claim=d.claim, why=answer.why)
            return answer
        more: dict[str, object] = {}
        if operation == "step":
            # The first result counts: ours, or what was there. A name tells which step, the value whose.
            more = {"step": what[0], "kept": answer.decode() if isinstance(answer, bytes) else repr(answer)}
        elif operation == "park":
            more = {"step": how.get("step", ""), "state": how["state"], "due": answer if isinstance(answer, int) else 0}
        else:
            more = {"status": how["status"], "error": how.get("error", "")}
        ledger.write("wrote", op=operation, run=d.run, claim=d.claim, **more)
        return answer

    setattr(RunCalls, operation, write)


class Telling:
    """An observer that writes down trouble; what went well is tapped."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._enqueues = False

    def saw(self, fact: Fact) -> None:
        if isinstance(fact, TickEnqueued) and not self._enqueues:
            self._enqueues = True
            self.ledger.write("enqueues")
        if isinstance(fact, TOLD):
            what = {k: getattr(fact, k) for k in type(fact).__slots__}
            self.ledger.write("fact", fact=type(fact).__name__, **{f"f_{k}": v for k, v in what.items()})
