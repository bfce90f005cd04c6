"""Which run is meant: by its id, or by its event's id or entry where only one run has it; else the nearest."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from joelclaw_bus.inspect.names import event_names
from joelclaw_bus.inspect.replies import pairs, sound, text
from joelclaw_bus.inspect.runs import list_runs
from joelclaw_bus.keys import Slot
from joelclaw_bus.store import Store

NEAREST = 5
LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class Meant:
    """The runs that a word can mean, each with its slot; `nearest` ids when it means none."""

    runs: tuple[tuple[Slot, str], ...]
    nearest: tuple[str, ...] = ()


async def find_meant(store: Store, word: str) -> Meant:
    """StoreUnavailable, StoreRefused."""
    slots = [store.keys.slot(name) for name in await event_names(store)]
    found = await _recorded(store, [(slot, word) for slot in slots])
    function, colon, event_id = word.partition(":")
    if not found and colon:
        found = await _unrecorded(store, slots, function, event_id)
    if not found:
        found = await _by_event(store, slots, word)
    if found:
        return Meant(tuple(found))
    known = [run.id for run in await list_runs(store, limit=LOOKED_AT)]
    near = [run for run in known if run.endswith(f":{word}")] or difflib.get_close_matches(word, known, NEAREST, 0.5)
    return Meant((), tuple(near[:NEAREST]))


async def _recorded(store: Store, asked: list[tuple[Slot, str]]) -> list[tuple[Slot, str]]:
    replies = await store.calls(("EXISTS", slot.run(run)) for slot, run in asked) if asked else []
    return [one for one, there in zip(asked, replies, strict=True) if sound(there)]


async def _unrecorded(store: Store, slots: list[Slot], function: str, event_id: str) -> list[tuple[Slot, str]]:
    """A run that needs no record yet: its event is on a stream that its function reads."""
    groups = await _readers(store, slots)
    return [
        (slot, f"{function}:{event_id}")
        for slot, entry in await _entries(store, slots, event_id)
        if function in groups[slot.name] and entry == event_id
    ]


async def _by_event(store: Store, slots: list[Slot], word: str) -> list[tuple[Slot, str]]:
    """The runs of every reader of the event with this id or entry."""
    groups, ids = await _readers(store, slots), {(slot.name, word) for slot in slots}
    there = await _entries(store, slots, word)
    ids |= {(slot.name, event_id) for slot, event_id in there}
    asked = [
        (slot, run)
        for slot in slots
        for function in groups[slot.name]
        for name, event_id in sorted(ids)
        if name == slot.name
        for run in (f"{function}:{event_id}", f"{function}:={event_id}")
    ]
    found = await _recorded(store, asked)
    return found or [
        (slot, f"{function}:{word}") for slot, entry in there if entry == word for function in groups[slot.name]
    ]


async def _entries(store: Store, slots: list[Slot], word: str) -> list[tuple[Slot, str]]:
    """Where an entry with this id lies, each with the id that its producer gave it (else the entry's own)."""
    ms, _, seq = word.partition("-")
    if not (ms.isdigit() and seq.isdigit()):
        return []
    replies = await store.calls(("XRANGE", slot.stream, word, word) for slot in slots)
    found = []
    for slot, rows in zip(slots, replies, strict=True):
        for entry, fields in sound(rows):
            found.append((slot, pairs(fields).get("id") or text(entry)))
    return found


async def _readers(store: Store, slots: list[Slot]) -> dict[str, list[str]]:
    """The functions that have a group, by slot name."""
    replies = await store.calls(("XINFO", "GROUPS", slot.stream) for slot in slots)
    return {
        slot.name: [] if isinstance(rows, Exception) else [pairs(row)["name"] for row in rows]
        for slot, rows in zip(slots, replies, strict=True)
    }
