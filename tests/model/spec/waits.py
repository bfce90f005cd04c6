"""Runs that wait for events: registered and looked back for in one step, told once; the first or all (DESIGN 9)."""

from __future__ import annotations

import json

from tests.model.spec.moves import call_off, make_ready
from tests.model.spec.nouns import Bus, Fields, Hand, Id, Wait, Waiting, Wanted, text
from tests.model.spec.runs import not_owner
from tests.model.spec.streams import register

GROUP = "~waits"
GRACE = 60_000
LAST = 2**64 - 1


def fits(wanted: Wanted, entry: Id, fields: Fields) -> bool:
    """Whether an event ends this wait: late enough, and its data says what is asked for."""
    try:
        data = json.loads(fields.get("data", ""))
    except ValueError:
        return False
    return entry >= wanted.since and all(data.get(field) == value for field, value in wanted.match)


def oldest(bus: Bus, wanted: Wanted, until: Id) -> Id | None:
    entries = bus.slot(wanted.event).events.entries
    return next((e for e in sorted(entries) if e <= until and fits(wanted, e, entries[e])), None)


def arrival(entry: Id, fields: Fields) -> str:
    """What the run keeps of an event, so that the stream may be trimmed."""
    return json.dumps({"entry": text(entry), "fields": fields}, separators=(",", ":"))


def await_(bus: Bus, wait: Wait, *, dies: bool) -> None:
    """A wait is registered where its event comes; if that has come already, the run is told at once (and then who told
    it may die)."""
    slot = bus.slot(wait.wanted.event)
    register(bus, slot.name, GROUP, 1, ready=False)
    name = f"{wait.slot}|{wait.run}:{wait.step}:{wait.number}"
    slot.waits = {name: wait for name, wait in slot.waits.items() if wait.ends > bus.now}
    if wait.ends > bus.now:
        slot.waits[name] = wait
    entry = oldest(bus, wait.wanted, (LAST, LAST))
    if entry:
        arrive(bus, wait, entry, slot.events.entries[entry])
        if not dies:
            slot.waits.pop(name, None)


def arrive(bus: Bus, wait: Wait, entry: Id, fields: Fields) -> int:
    """A run is told: 2 it goes on, 1 it waits for more, 0 it does not wait for this (any more)."""
    run = bus.slot(wait.slot).runs.get(wait.run)
    if not run or run.state != "waiting" or run.wait != wait.step:
        return 0
    waiting = run.waits[wait.step]
    if wait.number not in waiting.came:
        waiting.came[wait.number] = arrival(entry, fields)
        run.size = (run.size or 0) + len(waiting.came[wait.number])
    if waiting.all and len(waiting.came) < len(waiting.events):
        return 1
    if not waiting.all:
        call_off(bus, wait.slot, wait.run, won=wait.number)
    make_ready(bus, wait.slot, wait.run)
    bus.slot(wait.slot).due.pop("r:" + wait.run, None)
    return 2


def match(bus: Bus, slot_name: str, consumer: str, entry: Id, *, dies: bool) -> int:
    """An event is held against all waits of its slot; how many runs were told. Whoever dies before the end leaves it
    pending, and the next one does it again."""
    slot = bus.slot(slot_name)
    h = Hand(slot_name, GROUP, consumer, entry, "", "", False)
    if not_owner(bus, h):
        return 0
    slot.waits = {name: wait for name, wait in slot.waits.items() if wait.ends > bus.now}
    fields, told = slot.events.entries.get(entry, {}), 0
    for name, wait in sorted(slot.waits.items()):
        if fits(wait.wanted, entry, fields):
            told += arrive(bus, wait, entry, fields) > 0
            if not dies:
                del slot.waits[name]
    ends_any = any(fits(w.wanted, (LAST, LAST), fields) for w in slot.waits.values()) or told
    if not (dies and ends_any):
        slot.events.groups[GROUP].pending.pop(entry, None)
    return told


def outcome(bus: Bus, waiting: Waiting) -> list[Id | None] | None:
    """What has come, for each awaited event; None while there is time left. At its end it counts what came in time."""
    came = [_entry_of(waiting.came.get(number)) for number in range(len(waiting.events))]
    over = all if waiting.all else any
    if over(came):
        return came
    if bus.now < waiting.until:
        return None
    for number, wanted in enumerate(waiting.events):
        if came[number] is None and not over(came):
            came[number] = oldest(bus, wanted, (waiting.until, LAST))
    return came


def _entry_of(told: str | None) -> Id | None:
    if told is None:
        return None
    ms, _, number = json.loads(told)["entry"].partition("-")
    return int(ms), int(number)
