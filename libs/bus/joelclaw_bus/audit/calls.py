"""The auditor's scripts: a page of what is there, and the repair of one thing of it. One typed method a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from joelclaw_bus.audit.facts import BodySeen, PendingSeen, RunSeen, SlotSeen
from joelclaw_bus.audit.judge import Finding
from joelclaw_bus.keys import Keys, Slot
from joelclaw_bus.limits import Limits
from joelclaw_bus.script import load_script
from joelclaw_bus.store import Arg, Store

_script = partial(load_script, "joelclaw_bus")
PER_PAGE = 100
BODIES_PER_PAGE = 16
"""A body can have half a megabyte, and a page of them crosses the script."""
WAITS_MENDED = 1_000
END = "0"
IDS_THERE, IDS_LOST = "~ids", "~ids-lost"
"""Fields of the marks, as in lua/lib/ids.lua; a test holds them together."""


@dataclass(frozen=True, slots=True)
class PendingPage:
    """A page of an index and one of its bodies, with the cursors of the next; `END` at their end."""

    now_ms: int
    cursor: str
    body_cursor: str
    members: list[PendingSeen]
    bodies: list[BodySeen]


@dataclass(frozen=True, slots=True)
class AuditCalls:
    store: Store
    limits: Limits

    @property
    def keys(self) -> Keys:
        return self.store.keys

    async def runs(self, slot: Slot, cursor: str, named: Sequence[str] = ()) -> tuple[str, list[RunSeen]]:
        """(next cursor, runs): a page of the open ones; with no cursor ('') only those named."""
        _, following, flat = await self.store.run(
            _script("audit_runs"), [slot.open, slot.due, slot.stream, slot.ids], [cursor, PER_PAGE, *named]
        )
        return following.decode(), [_run(row) for row in _rows(flat, 19)]

    async def pending(self, index: str, bodies: str, kind: str, cursor: str, body_cursor: str) -> PendingPage:
        """A page of `due` or `outbox` (the kind)."""
        now, following, body_following, members, found = await self.store.run(
            _script("audit_pending"), [index, bodies], [cursor, PER_PAGE, body_cursor, BODIES_PER_PAGE, kind]
        )
        return PendingPage(
            now,
            following.decode(),
            body_following.decode(),
            [
                PendingSeen(_t(m), float(s), bool(b), t, _t(st), _t(d), raw)
                for m, s, b, t, st, d, raw in _rows(members, 7)
            ],
            [BodySeen(_t(name), bool(scored), raw) for name, scored, raw in _rows(found, 3)],
        )

    async def slot(self, slot: Slot) -> SlotSeen:
        now, groups, marks, lost, whole = await self.store.run(
            _script("audit_slot"), [slot.stream, slot.marks, slot.ids], [self.limits.dedupe_ms]
        )
        return SlotSeen(now, tuple(map(_t, groups)), frozenset(map(_t, marks)), tuple(map(_t, lost)), bool(whole))

    async def forget_lost_ids(self, slot: Slot) -> bool:
        """That the whole index was lost is told: whether by this call."""
        return bool(await self.store.call("HDEL", slot.marks, IDS_THERE, IDS_LOST))

    async def mend(self, slot: Slot, r: RunSeen, finding: Finding) -> bool:
        """Repair one run; False when it is no longer as it was seen."""
        return bool(
            await self.store.run(
                _script("mend"),
                [slot.run(r.run), slot.open, slot.ended, slot.due, slot.stream, slot.ready(r.function), slot.dead],
                [
                    *(r.run, r.function, finding.repair, r.state, r.at, r.due, r.claim, finding.at_ms),
                    *(self.limits.ended_ms, self.limits.dead_letters, finding.error),
                    *(self.keys.nudges, slot.name, r.event_entry),
                ],
            )
        )

    async def mend_pending(self, slot: Slot, index: str, bodies: str, member: str, body: str, finding: Finding) -> bool:
        """Repair one member of an index; `body`: the id of what it should have, '' when it names a run."""
        run = slot.run(member[2:]) if not body else index
        args: list[Arg] = [member, body, finding.repair, finding.at_ms, self.keys.nudges, slot.name]
        return bool(await self.store.run(_script("mend_pending"), [index, bodies, slot.ids, run], args))

    async def mend_waits(self, slot: Slot, wait: str) -> None:
        """Take one broken wait away, and make what finds the others anew."""
        keys = [slot.waits, slot.wait_items, slot.wait_index, slot.wait_forms]
        await self.store.run(_script("mend_waits"), keys, [wait, WAITS_MENDED])

    async def mend_permit(
        self,
        permits: str,
        waiters: str,
        claims: str,
        member: str,
        claim: str,
        repair: str,
        new_claim: str,
        ttl_ms: int,
    ) -> bool:
        """Repair one holder, waiter or claim; `claim`: as it was seen."""
        return bool(
            await self.store.run(
                _script("mend_permit"), [permits, waiters, claims], [member, claim, repair, new_claim, ttl_ms]
            )
        )


def _rows(flat: list[Any], width: int) -> Iterator[tuple[Any, ...]]:
    return zip(*[iter(flat)] * width, strict=True)


def _t(raw: bytes) -> str:
    """Bytes that are no text are a stranger's: shown so, they name nothing that a repair could touch."""
    return raw.decode("utf-8", "backslashreplace")


def _run(row: tuple[Any, ...]) -> RunSeen:
    run, listed, ttl, score, there, pending, group, ahead, entry, *record, awaits, body = row
    function, form, state, at, named, due, claim, ended = map(_t, record)
    return RunSeen(
        run=_t(run),
        listed=bool(listed),
        ttl_ms=ttl,
        due_score=_t(score),
        entry_there=bool(there),
        pending=bool(pending),
        group_there=bool(group),
        undelivered=bool(ahead),
        event_entry=_t(entry),
        format=form,
        state=state,
        at=at,
        function=function,
        is_named=bool(named),
        due=due,
        claim=claim,
        ended=ended,
        awaits=_t(awaits),
        has_body=bool(body),
    )
