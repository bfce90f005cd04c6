"""Repeating a write until the store answers: a begin, a step or an end that was decided is not left undone.

Each try is shielded from cancellation: a command cut between send and reply spoils its connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from joelclaw_bus.errors import NoFreeConnection, StoreRefused, StoreUnavailable
from joelclaw_bus.leases import Held
from joelclaw_bus.run_calls import Refused

T = TypeVar("T")
GIVE_UP_LEASES = 4
MAYBE = "; but an earlier try had no answer: what it wrote may stand"


async def insist(held: Held, write: Callable[[], Awaitable[T]], *, lease_ms: int) -> T | Refused:
    """Repeat until the store answers, or for some leases. `write` must be idempotent by its claim. A lease that is
    lost meanwhile ends nothing here: our own try may have let go of the entry, and the next one tells."""
    held.settling = True
    try:
        return await _answered(write, GIVE_UP_LEASES * lease_ms / 1000)
    finally:
        held.settling = False
        if held.lost:
            held.scope.cancel()  # a handler that goes on after a step stops at its next wait


async def _answered(write: Callable[[], Awaitable[T]], seconds: float) -> T | Refused:
    deadline = anyio.current_time() + seconds
    wait, unanswered = 0.05, ""
    while True:
        with anyio.CancelScope(shield=True):
            try:
                answer = await write()
                return Refused(answer.why + unanswered) if isinstance(answer, Refused) else answer
            except (StoreUnavailable, StoreRefused) as error:
                if isinstance(error, StoreUnavailable) and not isinstance(error, NoFreeConnection):
                    unanswered = MAYBE
                if anyio.current_time() > deadline:
                    return Refused(f"store: {error}{unanswered}")
        # Outside the shield: a stop need not wait for a store that is away; the entry comes again.
        await anyio.sleep(wait)
        wait = min(wait * 2, 1.0)
