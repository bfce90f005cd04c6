"""What may keep a run from starting now: a later event of its key may yet come (debounce), or its turn has not (rate).

Both are asked before the handler is first called, and that they let it go is journaled: what a run does after a sleep
or in another attempt is no new start, nor is anything that a run does which began before its function was given such an
option. What has to wait rests as in a sleep, in a step that no handler can have; a run whose event was not the last
ends as skipped, which says by which run it was debounced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joelclaw_bus.delivery import Delivery
from joelclaw_bus.errors import BusError
from joelclaw_bus.event import Event
from joelclaw_bus.functions import Function
from joelclaw_bus.observer import Debounced, Observer
from joelclaw_bus.perform import NotOurs
from joelclaw_bus.run_calls import LimitReached, Refused, RunCalls
from joelclaw_bus.run_names import DEBOUNCE, LIMITED, OWN_STEPS, QUIET, TURN
from joelclaw_bus.settle import Failed, Rest, Skipped
from joelclaw_bus.slot_calls import StartCalls
from joelclaw_bus.wording import line_of

Hindrance = Rest | Skipped | Failed | NotOurs


@dataclass(frozen=True, slots=True)
class Starts:
    calls: StartCalls
    runs: RunCalls
    observer: Observer

    async def hindrance(
        self, fn: Function, d: Delivery, event: Event[Any], record: Mapping[bytes, bytes]
    ) -> Hindrance | None:
        """What becomes of the run instead of a start; None: it may start, or has."""
        if has_started(record):
            return None
        try:
            return await self._debounced(fn, d, event, record) or await self._limited(fn, d, event, record)
        except BusError:
            raise
        except Exception as error:  # a key= is the service's code: its fault ends this run, not the worker
            return Failed(f"the key= of its rate_limit or debounce failed: {line_of(error)}", error)

    async def _debounced(
        self, fn: Function, d: Delivery, event: Event[Any], record: Mapping[bytes, bytes]
    ) -> Hindrance | None:
        rule = fn.debounce
        if rule is None or f"s:{QUIET}".encode() in record:
            return None
        if b"redriven" in record:  # somebody wants this very run, whatever came after its event
            return None
        delay_ms, longest_ms = round(rule.delay * 1000), round((rule.max_wait or 0) * 1000)
        quiet = await self.calls.debounce(fn.id, rule.key_of(event), d.key, delay_ms, longest_ms, came_of(event.entry))
        if quiet.by:
            by = quiet.by.partition("|")[2]
            self.observer.saw(Debounced(fn.id, d.run, by))
            return Skipped(f"debounced by {by}")
        return Rest(DEBOUNCE, quiet.wait_ms, 0) if quiet.wait_ms else await self._note(d, QUIET)

    async def _limited(
        self, fn: Function, d: Delivery, event: Event[Any], record: Mapping[bytes, bytes]
    ) -> Hindrance | None:
        rate = fn.rate_limit
        if rate is None or f"s:{TURN}".encode() in record:
            return None
        period_ms = round(rate.period * 1000)
        turn = await self.calls.turn(fn.id, rate.key_of(event), d.key, rate.most, period_ms, came_of(event.entry))
        return Rest(LIMITED, turn.wait_ms, 0) if turn.wait_ms else await self._note(d, TURN)

    async def _note(self, d: Delivery, step: str) -> NotOurs | Failed | None:
        match await self.runs.step(d, step, b"{}"):
            case Refused(why):
                return NotOurs("start", why)
            case LimitReached(what):
                return Failed(f"step {step!r}: the run has reached its limit of {what}", None)
            case _:
                return None


def has_started(record: Mapping[bytes, bytes]) -> bool:
    """Whether its handler has left something there: an attempt, or a step that is not the bus's own."""
    own = {f"s:{step}".encode() for step in OWN_STEPS}
    journaled = any(name[:2] in (b"s:", b"w:") and name not in own for name in record)
    return journaled or record.get(b"attempt", b"0") != b"0"


def came_of(entry: str) -> float:
    """Two of one millisecond have an order, too. 4096ths: a double holds no finer ones of an instant of our time."""
    ms, _, number = entry.partition("-")
    return int(ms) + min(int(number or 0), 4095) / 4096
