"""The entry that a run is queued by, and what its group has before it."""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_bus.errors import GroupMissing, StoreRefused
from joelclaw_bus.inspect.event_entries import order
from joelclaw_bus.inspect.explain.situation import Backlog, Hand
from joelclaw_bus.inspect.replies import pairs, sound, text
from joelclaw_bus.store import Store

BEFORE = 1_000
"""Unread entries before a run's own that are counted; of more it is said that there are."""


@dataclass(frozen=True, slots=True)
class Queue:
    """`there`: the entry is on its stream; group: the function has one; undelivered: it has not read the entry."""

    there: bool = False
    group: bool = False
    undelivered: bool = False
    backlog: Backlog | None = None
    hand: Hand | None = None


async def read_queue(store: Store, source: str, function: str, entry: str) -> Queue:
    """Of an entry ('': none) of a stream or ready stream. StoreUnavailable, StoreRefused."""
    if not entry:
        return Queue()
    row, groups, pending = await store.calls(
        [
            ("XRANGE", source, entry, entry),
            ("XINFO", "GROUPS", source),
            ("XPENDING", source, function, entry, entry, 1),
        ]
    )
    if isinstance(groups, StoreRefused) and "no such key" in str(groups):
        groups = []
    mine = next((g for g in map(pairs, sound(groups)) if g["name"] == function), None)
    if mine is None or isinstance(pending, GroupMissing):
        return Queue(there=bool(sound(row)))
    if sound(pending):
        _, consumer, idle, count = pending[0]
        return Queue(bool(sound(row)), group=True, hand=Hand(text(consumer), int(idle), int(count)))
    if not sound(row) or order(mine["last-delivered-id"]) >= order(entry):
        return Queue(bool(row), group=True)
    return Queue(True, True, True, await _backlog(store, source, function, mine["last-delivered-id"], entry))


async def _backlog(store: Store, source: str, function: str, read_to: str, entry: str) -> Backlog:
    before, summary, first = await store.calls(
        [
            ("XRANGE", source, f"({read_to}", f"({entry}", "COUNT", BEFORE),
            ("XPENDING", source, function),
            ("XPENDING", source, function, "-", "+", 1),
        ]
    )
    count = len(sound(before))
    in_hand = int(sound(summary)[0])
    if not sound(first):
        return Backlog(count, count == BEFORE, in_hand)
    held, consumer, idle, _ = first[0]
    return Backlog(count, count == BEFORE, in_hand, text(held), text(consumer), int(idle))
