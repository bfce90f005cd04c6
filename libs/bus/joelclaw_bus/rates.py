"""A function's rate: a run that is over it parks until its turn, in the order of arrival; none is lost.

A run takes one turn, before its handler is first called, and journals that it has it: what it does after a sleep or in
another attempt is no new start. Its wait is a rest like a sleep, in a step that no handler can have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joelclaw_bus.delivery import Delivery
from joelclaw_bus.event import Event
from joelclaw_bus.functions import Function
from joelclaw_bus.run_calls import LimitReached, Refused, RunCalls
from joelclaw_bus.run_names import TURN
from joelclaw_bus.slot_calls import RateCalls


@dataclass(frozen=True, slots=True)
class Rates:
    calls: RateCalls
    runs: RunCalls

    async def wait_ms(
        self, fn: Function, d: Delivery, event: Event[Any], record: Mapping[bytes, bytes]
    ) -> int | LimitReached | Refused:
        """How long this run must wait for its turn; 0 it has it."""
        rate = fn.rate_limit
        if rate is None or f"s:{TURN}".encode() in record:
            return 0
        period_ms = round(rate.period * 1000)
        turn = await self.calls.turn(fn.id, rate.key_of(event), d.key, rate.most, period_ms, _arrived(event.entry))
        if turn.wait_ms:
            return turn.wait_ms
        answer = await self.runs.step(d, TURN, b"{}")
        return 0 if isinstance(answer, bytes) else answer


def _arrived(entry: str) -> float:
    """Two of one millisecond have an order, too."""
    ms, _, number = entry.partition("-")
    return int(ms) + min(int(number or 0), 999) / 1000
