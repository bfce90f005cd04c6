"""Limits across processes: who may run now, and how a lost hand-over heals.

An `exclusive` permit lasts until it is given back: a refused run looks whether the holders' runs are still open, and
gives back the permits of those that aren't. The handler of a run that was ended from outside may still be at work: its
permit then expires a lease after that was last renewed, or its worker frees it when the handler has stopped.

A `concurrency` permit expires after three leases unless its holder renews it.
"""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_bus.clock import ServerClock
from joelclaw_bus.functions import Function
from joelclaw_bus.keys import Slot
from joelclaw_bus.leases import PERMIT_LEASES, HeldPermit
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.publisher import release_item
from joelclaw_bus.run_calls import RunCalls
from joelclaw_bus.slot_calls import Permit, PermitCalls

LONGEST_FALLBACK_MS = 300_000
RANKS_PER_FALLBACK = 4


@dataclass(slots=True)
class Claimed:
    """The permit of one run: enough to renew it and to give it back. `rank`: how many waited before it when it was
    refused; `taken`: by this begin; `rested`: the begin that parked the run last."""

    function: str
    key: str
    claim: str
    ttl_ms: int
    held: HeldPermit
    rank: int = 0
    taken: bool = False
    rested: str = ""

    @property
    def until_the_end(self) -> bool:
        """Kept while the run rests (exclusive), rather than only while it executes."""
        return self.ttl_ms == 0

    def release(self) -> OutboxItem:
        """For when this begin's handler has stopped. A begin that ends its run without having asked knows that of the
        one that rested before it."""
        by = self.claim if self.taken else self.rested
        return release_item(
            self.held.member,
            self.function,
            self.key,
            self.claim,
            self.ttl_ms,
            most=self.held.most,
            at_the_end=self.until_the_end,
            by=by if self.until_the_end else "",
        )

    def on_cancel(self) -> OutboxItem:
        """The same for a run that is cancelled: it goes, whichever begin took it, and so does its place in the line. Of
        this begin it is known that it rests by then; a later one's handler may be at work."""
        held, by = self.held, self.claim if self.until_the_end else ""
        return release_item(
            held.member, self.function, self.key, "cancelled", self.ttl_ms, most=held.most, at_the_end=True, by=by
        )

    def patience_ms(self, fallback_ms: int) -> int:
        """After how long a refused run asks again. Only those at the head ask often: thousands that all did would
        fill the ready stream before whoever was handed a permit."""
        return max(fallback_ms, min(fallback_ms * (1 + self.rank // RANKS_PER_FALLBACK), LONGEST_FALLBACK_MS))


@dataclass(frozen=True, slots=True)
class Permits:
    calls: PermitCalls
    runs: RunCalls
    lease_ms: int
    clock: ServerClock

    async def claim(self, wanted: Claimed, *, line_up: bool) -> bool:
        """Whether the run has this permit now; if not, all are taken, and it is lined up when it means to wait."""
        w, held = wanted, wanted.held
        permit = await self._acquire(w, line_up)
        if not permit.held and w.until_the_end:
            for holder in permit.holders:
                if (by := await self._ended_by(holder)) is not None:
                    await self.calls.release(w.function, w.key, holder, w.ttl_ms, most=held.most, by=by)
            permit = await self._acquire(w, line_up)
        w.taken, w.rank = permit.held, permit.rank
        return permit.held

    async def _acquire(self, w: Claimed, line_up: bool) -> Permit:
        # After a jump, too, takeovers come first: whoever was not taken over holds what it works under.
        steady = self.clock.steady_for_ms() > PERMIT_LEASES * self.lease_ms
        return await self.calls.acquire(
            *(w.function, w.key, w.held.member, w.held.most, w.ttl_ms, w.claim),
            line_up=line_up,
            at_ms=self.clock.now_at(w.held.permits) if steady else None,
            tolerance_ms=max(self.lease_ms // 4, 1),
            at_work_ms=self.lease_ms if w.until_the_end else 0,
        )

    def of(self, fn: Function, key: str, slot: Slot, run: str, claim: str, rested: str = "") -> Claimed:
        """The permit that a run needs under `key`; not asked for yet. Giving back what it never had is harmless."""
        limit = fn.limit
        assert limit is not None
        own = self.calls.keys.function_slot(fn.id)
        member, until_the_end = f"{slot.name}|{run}", fn.exclusive is not None
        held = HeldPermit(own.permits(key), own.claims(key), member, claim, limit.most, until_the_end)
        return Claimed(fn.id, key, claim, 0 if until_the_end else PERMIT_LEASES * self.lease_ms, held, rested=rested)

    async def _ended_by(self, member: str) -> str | None:
        """The claim that ended the holder's run ('': nobody knows), so that its permit is on its way back, or was lost
        there; None while it is open."""
        name, _, run = member.partition("|")
        return await self.runs.ended_by(self.calls.keys.slot(name), run)
