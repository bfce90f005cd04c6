"""How many may work at once: permits are acquired and released, and the run that gets one is woken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from joelclaw_bus.keys import Slot
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.script import load_script
from joelclaw_bus.slot_calls.base import Calls

_script = partial(load_script, "joelclaw_bus")


@dataclass(frozen=True, slots=True)
class Permit:
    """`holders`: some members that hold one, when this one has to wait, and `rank`: how many wait before it."""

    held: bool
    holders: tuple[str, ...] = ()
    rank: int = 0


def read_claim(raw: bytes | None) -> tuple[str, int]:
    """A claim as lua/lib/claim.lua writes it, and until when its handler counts as at work, ms (0: nobody says)."""
    text = (raw or b"").decode("utf-8", "backslashreplace")
    claim, _, until = text.rpartition(" ")
    return (claim, int(until)) if until.isascii() and until.isdigit() and claim else (text, 0)


@dataclass(frozen=True, slots=True)
class PermitCalls(Calls):
    async def acquire(
        self,
        function: str,
        key: str,
        member: str,
        limit: int,
        ttl_ms: int,
        claim: str,
        *,
        line_up: bool = True,
        at_ms: int | None = None,
        tolerance_ms: int = 1_000,
        at_work_ms: int = 0,
    ) -> Permit:
        """Take a permit, or learn who has them. `at_ms`: the server's time as the caller reckons it; when it can't say
        (None), or is wrong, permits that have expired still count: their owners may be about to renew them.
        at_work_ms: how long its handler counts as at work unless that is renewed (0: the permit itself expires)."""
        slot = self.keys.function_slot(function)
        answer = await self.store.run(
            _script("acquire"),
            [slot.permits(key), slot.waiters(key), slot.claims(key)],
            [member, limit, ttl_ms, int(line_up), claim, "" if at_ms is None else at_ms, tolerance_ms, at_work_ms],
        )
        return Permit(True) if answer[0] else Permit(False, tuple(m.decode() for m in answer[1]), answer[2])

    async def release(
        self, function: str, key: str, member: str, ttl_ms: int, *, claim: str = "", most: int = 0, by: str = ""
    ) -> OutboxItem | None:
        """Give a permit back; the item that wakes the next holder, if there is one. claim: '' any; most: 0 unknown; by:
        the claim whose handler has stopped, '' unknown."""
        slot = self.keys.function_slot(function)
        answer = await self.store.run(
            _script("release"),
            [slot.permits(key), slot.waiters(key), slot.outbox, slot.outbox_items, slot.claims(key)],
            [member, ttl_ms, key, function, claim, most, by],
        )
        return OutboxItem.decode(answer[2]) if len(answer) > 1 else None

    async def wake(self, slot: Slot, function: str, run: str) -> int:
        """1 woken, 2 open but not held, 0 no such open run."""
        return int(await self.store.run(_script("wake"), [slot.run(run), slot.due, slot.ready(function)], [run]))
