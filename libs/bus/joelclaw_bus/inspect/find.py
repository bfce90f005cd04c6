"""Which run is meant: by its id, by its event's id or entry, by its dead letter; read, unread or buried.

A run that nobody has begun has no record. What it will be is told by its event and by who takes such events: the
groups of the stream, and the functions that are registered for it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from joelclaw_bus.errors import GroupMissing, StoreRefused
from joelclaw_bus.inspect.event_entries import Lies, find_event, is_entry, order
from joelclaw_bus.inspect.names import event_names
from joelclaw_bus.inspect.replies import pairs, sound, text
from joelclaw_bus.inspect.runs import list_runs
from joelclaw_bus.keys import WAITS_GROUP, Slot
from joelclaw_bus.run_names import run_id
from joelclaw_bus.store import Store

NEAREST = 5
LOOKED_AT = 2_000
LETTERS = 500


@dataclass(frozen=True, slots=True)
class Found:
    """One run: `run` is its id; '' where nobody takes the event. `entry`: of its event, '' while that is delayed or
    not known; event_id: as the producer gave it."""

    slot: Slot
    run: str
    entry: str = ""
    event_id: str = ""

    @property
    def name(self) -> str:
        return self.run or f"{self.slot.name} {self.event_id or self.entry}"


@dataclass(frozen=True, slots=True)
class Meant:
    """The runs that a word can mean; `nearest` ids when it means none; `beyond`: streams whose unread events are too
    many to have been looked at."""

    runs: tuple[Found, ...]
    nearest: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


async def find_meant(store: Store, word: str) -> Meant:
    """StoreUnavailable, StoreRefused."""
    slots = [store.keys.slot(name) for name in await event_names(store)]
    if found := await _recorded(store, [Found(slot, word) for slot in slots]):
        return Meant(tuple(found))
    function, colon, event_id = word.partition(":")
    looked = await find_event(store, slots, word)
    runs = await _runs_of(store, looked.found)
    if not runs and colon:
        given = await find_event(store, slots, event_id.removeprefix("="))
        all_of_it = await _runs_of(store, given.found)
        runs = [one for one in all_of_it if one.run.partition(":")[0] == function]
        if not runs and all_of_it:
            return Meant((), tuple(one.run for one in all_of_it if one.run)[:NEAREST])
    if not runs:
        runs = await _recorded(store, _would_be(word, slots, await readers(store, slots)))
    runs = runs or await _buried(store, slots, word)
    if runs:
        return Meant(tuple(runs))
    known = [run.id for run in await list_runs(store, limit=LOOKED_AT)]
    near = [run for run in known if run.endswith(f":{word}")] or difflib.get_close_matches(word, known, NEAREST, 0.5)
    return Meant((), tuple(near[:NEAREST]), looked.beyond)


async def _recorded(store: Store, asked: list[Found]) -> list[Found]:
    replies = await store.calls(("EXISTS", one.slot.run(one.run)) for one in asked) if asked else []
    return [one for one, there in zip(asked, replies, strict=True) if sound(there)]


async def _runs_of(store: Store, events: Iterable[Lies]) -> list[Found]:
    """The run of every function that takes these events; of several, those with a record and those not yet over."""
    events = list(events)
    takers = await readers(store, [lies.slot for lies in events])
    all_of_them = [
        Found(lies.slot, _run_of(function, lies), lies.entry, lies.event_id)
        for lies in events
        for function in takers[lies.slot.name]
    ]
    if len(all_of_them) > 1:
        recorded = await _recorded(store, all_of_them)
        still = [one for one in all_of_them if one in recorded or not await _acknowledged(store, one)]
        return still or await _buried_of(store, events) or all_of_them
    return all_of_them or [Found(lies.slot, "", lies.entry, lies.event_id) for lies in events]


async def _buried_of(store: Store, events: list[Lies]) -> list[Found]:
    return [one for lies in events for one in await _buried(store, [lies.slot], lies.entry)]


def _run_of(function: str, lies: Lies) -> str:
    return run_id(function, lies.event_id or lies.entry, given=bool(lies.event_id))


async def _acknowledged(store: Store, one: Found) -> bool:
    """Whether its group has read its entry, and holds it no more."""
    function = one.run.partition(":")[0]
    if not one.entry:
        return False
    groups, pending = await store.calls(
        [
            ("XINFO", "GROUPS", one.slot.stream),
            ("XPENDING", one.slot.stream, function, one.entry, one.entry, 1),
        ]
    )
    if isinstance(pending, GroupMissing):
        return False
    mine = next((row for row in map(pairs, sound(groups)) if row["name"] == function), None)
    return mine is not None and order(mine["last-delivered-id"]) >= order(one.entry) and not sound(pending)


def _would_be(word: str, slots: list[Slot], takers: dict[str, list[str]]) -> list[Found]:
    """A run's record outlives its event's entry and its id: by every name that such a run could have."""
    return [
        Found(slot, run_id(function, word, given=given))
        for slot in slots
        for function in takers[slot.name]
        for given in ((True, False) if is_entry(word) else (True,))
    ]


async def _buried(store: Store, slots: list[Slot], word: str) -> list[Found]:
    """The runs and entries of dead letters: by run, event id or entry; the last 500 letters of each stream."""
    replies = await store.calls(("XREVRANGE", slot.dead, "+", "-", "COUNT", LETTERS) for slot in slots)
    found = dict[Found, None]()
    for slot, rows in zip(slots, replies, strict=True):
        for _, flat in sound(rows):
            letter = pairs(flat or [])
            function, entry, event_id = letter.get("function", ""), letter.get("e:entry", ""), letter.get("e:id", "")
            run = letter.get("run") or f"{function}:{event_id or entry}"
            if word and word in (run, entry, event_id, run.partition(":")[2], f"{function}:{entry}"):
                found[Found(slot, run, entry, event_id)] = None
    return list(found)


async def readers(store: Store, slots: list[Slot]) -> dict[str, list[str]]:
    """The functions that take a slot's events, by slot name: those with a group, and those registered for it."""
    if not slots:
        return {}
    registered = pairs(await store.call("HGETALL", store.keys.functions))
    replies = await store.calls(("XINFO", "GROUPS", slot.stream) for slot in slots)
    found = {}
    for slot, rows in zip(slots, replies, strict=True):
        if isinstance(rows, StoreRefused) and "no such key" in str(rows):
            rows = []
        groups = [pairs(row)["name"] for row in sound(rows)]
        wanted = [name for name, raw in registered.items() if slot.name in _events(name, raw)]
        found[slot.name] = sorted({name for name in (*groups, *wanted) if name != WAITS_GROUP})
    return found


def _events(function: str, raw: str) -> set[str]:
    """The streams of which a registered function gets events."""
    try:
        row = json.loads(raw)
        events = {text(name) for name in row.get("events", ())}
        return events | ({f"cron/{function}"} if row.get("crons") else set())
    except (ValueError, TypeError, AttributeError, RecursionError):  # anyone may write there
        return set()
