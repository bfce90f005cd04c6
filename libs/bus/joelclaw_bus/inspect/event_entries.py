"""Where an event lies: by its entry, or by the id that its producer gave it, read or unread, or still to come.

| looked in                       | finds                                                                     |
|---------------------------------|---------------------------------------------------------------------------|
| the stream, by entry            | every event that is kept                                                  |
| the dedupe index, by id         | what this suite published, or a function began, within the window; delayed |
| what a group has not dealt with | a stranger's event with an id, unread or in somebody's hands: of the       |
|                                 | `UNREAD` oldest from the first of these on                                 |
"""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_bus.errors import BusError
from joelclaw_bus.inspect.replies import pairs, sound, text
from joelclaw_bus.keys import WAITS_GROUP, Slot
from joelclaw_bus.store import Store
from joelclaw_contracts import normal_id

UNREAD = 5_000
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Lies:
    """`entry` '' while it is delayed; `event_id`: its producer's, '' if it gave none."""

    slot: Slot
    entry: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Looked:
    """`beyond`: streams that hold more unread events than were looked at, so that absence proves nothing there."""

    found: tuple[Lies, ...]
    beyond: tuple[str, ...] = ()


async def find_event(store: Store, slots: list[Slot], word: str) -> Looked:
    """Everywhere it lies. StoreUnavailable, StoreRefused."""
    if is_entry(word) and (found := await _by_entry(store, slots, word)):
        return Looked(tuple(found))
    wanted, found, beyond = normal_id(word) if word else "", [], []
    for slot in slots:
        known = await _in_index(store, slot, wanted)
        if known:
            found.append(Lies(slot, "" if known == "due" else known, wanted))
            continue
        entry, all_seen = await _unread(store, slot, wanted)
        found += [Lies(slot, entry, wanted)] if entry else []
        beyond += [] if entry or all_seen else [slot.name]
    return Looked(tuple(found), tuple(beyond))


async def _by_entry(store: Store, slots: list[Slot], word: str) -> list[Lies]:
    replies = await store.calls(("XRANGE", slot.stream, word, word) for slot in slots)
    return [
        Lies(slot, text(entry), pairs(fields).get("id", ""))
        for slot, rows in zip(slots, replies, strict=True)
        for entry, fields in sound(rows)
    ]


async def _in_index(store: Store, slot: Slot, event_id: str) -> str:
    """Its entry, `due` while it is delayed, '' when the index does not know it."""
    generations = await store.call("ZREVRANGE", slot.ids, 0, -1)
    replies = (
        await store.calls(("HGET", slot.key("ids", text(g)), event_id) for g in generations) if generations else []
    )
    found = [text(sound(reply)) for reply in replies]
    if any(found):
        return next(entry for entry in found if entry)
    return "due" if await store.call("HEXISTS", slot.due_items, event_id) else ""


async def _unread(store: Store, slot: Slot, event_id: str) -> tuple[str, bool]:
    """(its entry or '', whether all that is open was looked at)."""
    start, looked = await _first_open(store, slot), 0
    while looked < UNREAD:
        rows = await store.call("XRANGE", slot.stream, start, "+", "COUNT", PAGE)
        for entry, fields in rows:
            if pairs(fields or []).get("id") == event_id:
                return text(entry), True
        if len(rows) < PAGE:
            return "", True
        looked += len(rows)
        start = f"({text(rows[-1][0])}"
    return "", False


async def _first_open(store: Store, slot: Slot) -> str:
    """The first that any group has in hand, or where the one that is furthest behind goes on; the beginning, when there
    is none. What is in hand and was not begun is in no index: its worker may have died, or be frozen."""
    try:
        rows = await store.call("XINFO", "GROUPS", slot.stream)
    except BusError:
        return "-"  # no such stream: the range is empty too, or tells what is wrong
    groups = [row for row in map(pairs, rows) if row["name"] != WAITS_GROUP]
    if not groups:
        return "-"
    behind = min((row["last-delivered-id"] for row in groups), key=order)
    busy = [row["name"] for row in groups if row["pending"] != "0"]
    replies = await store.calls(("XPENDING", slot.stream, name) for name in busy) if busy else []
    in_hand = [text(reply[1]) for reply in map(sound, replies) if reply[1]]
    oldest = min(in_hand, key=order, default="")
    return oldest if oldest and order(oldest) <= order(behind) else f"({behind}"


def is_entry(word: str) -> bool:
    """Whether it is an entry id of a stream."""
    ms, dash, seq = word.partition("-")
    return bool(dash) and all(part.isascii() and part.isdigit() and len(part) <= 20 for part in (ms, seq))


def order(entry: str) -> tuple[int, int]:
    """An entry id as it is ordered."""
    ms, _, seq = entry.partition("-")
    return int(ms or 0), int(seq or 0)
