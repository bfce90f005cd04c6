"""Permits and waiters of runs that are over. Their runs lie in other slots, so a verdict counts only when it stays.

The permit of a run that is over is no leak while a handler of it may be at work: it expires, or is freed, after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from joelclaw_bus.audit.calls import AuditCalls
from joelclaw_bus.audit.judge import Finding
from joelclaw_bus.audit.told import Confirmed
from joelclaw_bus.slot_calls.permits import read_claim
from joelclaw_contracts import NameInvalid

MOST = 1_000
"""Holders and waiters looked at, of one permit. Those behind come when these are gone."""
OVER = (None, b"ended")


@dataclass
class PermitAudit:
    """`confirmed`: for how long a run must be over before its permit is taken from it."""

    calls: AuditCalls
    confirmed: Confirmed

    async def look(self, permits: str, ttl_ms: int, now_ms: int) -> list[Finding]:
        """One permit (its key): free what runs that are over hold, let those leave who wait in vain, and put back what
        its claims still tell. ttl_ms: how long one that is put back lasts (0: until it is given back)."""
        waiters, claims = permits.replace("}:permits:", "}:waiters:", 1), f"{permits}:claims"
        holders, waiting, flat = await self._read(permits, waiters, claims)
        claimed: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
        members = [*dict.fromkeys([*holders, *waiting, *claimed])]
        records = await self._records(members)
        found: list[Finding] = []
        for member, (state, claim) in zip(members, records, strict=True):
            name, held = member.decode("utf-8", "backslashreplace"), claimed.get(member, b"").decode()
            at_work = read_claim(claimed.get(member))[1] > now_ms
            rule, repair, new = "", "", ""
            if member in holders and not held and claim and state == b"queued":
                rule, repair, new = "claim-lost", "claim", claim.decode()
            elif held and member not in holders and len(holders) < MOST:
                rule, repair = ("claim-left", "free") if state in OVER else ("permit-lost", "hold")
            elif member in holders and state in OVER and not at_work:
                rule, repair = "permit-left", "free"
            elif member in waiting and state in OVER:
                rule, repair = "waiter-left", "leave"
            if not rule or not self.confirmed.holds((permits, member, rule, held), now_ms):
                continue
            if await self.calls.mend_permit(permits, waiters, claims, name, held, repair, new, ttl_ms):
                found.append(Finding(rule, name, "repaired"))
        return found

    async def _read(self, permits: str, waiters: str, claims: str) -> list[Any]:
        replies = await self.calls.store.calls(
            [("ZRANGE", permits, 0, MOST - 1), ("ZRANGE", waiters, 0, MOST - 1), ("HGETALL", claims)]
        )
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def _records(self, members: list[bytes]) -> list[tuple[bytes | None, bytes | None]]:
        """(state, claim) of each member's run; a member that names no run is over, and never was one."""
        asked = []
        for member in members:
            name, _, run = member.decode("utf-8", "backslashreplace").partition("|")
            try:
                key = self.calls.keys.slot(name).run(run)
            except NameInvalid:
                key = self.calls.keys.bus.run("none")
            asked.append(("HMGET", key, "state", "claim"))
        replies = await self.calls.store.calls(asked)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return [(state, claim) for state, claim in replies]
