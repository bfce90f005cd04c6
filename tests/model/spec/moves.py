"""What others do to a run: wake it, cancel it, audit it. Its own worker has no say in it."""

from __future__ import annotations

from tests.model.spec.letters import put
from tests.model.spec.nouns import Bus, Id, Run, parsed, text

RESTING = ("due", "held", "waiting")


def cancel(bus: Bus, slot_name: str, name: str, reason: str) -> tuple[bool, str]:
    """An open run ends from outside, whatever it does: (True, the state it was in), or (False, how it had ended)."""
    slot, run = bus.slot(slot_name), bus.slot(slot_name).runs.get(name)
    if not run or run.state == "ended":
        return False, run.status if run else ""
    was = run.state
    if run.at:
        source, entry = (slot.ready[run.fn] if run.at[0] == "r" else slot.events), parsed(run.at[1:])
        source.groups[run.fn].pending.pop(entry, None)
        if run.at[0] == "r":
            source.entries.pop(entry, None)
    if was == "waiting":
        call_off(bus, slot_name, name, won=None)
    if run.permit:
        put(bus, slot_name, run.permit)
    run.state, run.status, run.result, run.error, run.ended = "ended", "cancelled", "null", reason, bus.now
    run.claim, run.at, run.by, run.begins, run.due, run.handed = "", "", "", None, None, False
    slot.due.pop("r:" + name, None)
    slot.ended[name] = bus.now
    return True, was


def redrive(bus: Bus, slot_name: str, name: str, letter: Id, *, from_start: bool) -> tuple[bool, str]:
    """A failed run is opened again: due now, with fresh attempts; its journal stays, unless it begins from its start.
    What it waited for in vain is waited for anew. (True, ""), or (False, how it stands)."""
    slot, run = bus.slot(slot_name), bus.slot(slot_name).runs.get(name)
    if not run or (run.status == "failed" and run.body is None):
        return False, ""
    if run.status != "failed":
        return False, run.status or run.state
    if slot.dead.entries.pop(letter, None) is None:  # somebody replayed or dropped it meanwhile
        return False, "letter gone"
    run.state, run.status, run.result, run.error, run.ended, run.by = "due", "", "", "", 0, ""
    run.permit, run.wait, run.attempt, run.due, run.moved = None, "", 0, bus.now, bus.now
    run.errors.clear()
    noted = sum(len(told) for waiting in run.waits.values() for told in waiting.came.values())
    run.size = (run.size or 0) - noted if noted else run.size
    run.waits.clear()
    if from_start:
        run.journal.clear()
        run.steps, run.size = 0, None
    run.redriven = (run.redriven or 0) + 1
    slot.ended.pop(name, None)
    slot.due["r:" + name] = bus.now
    return True, ""


def cancel_unread(bus: Bus, slot_name: str, fn: str, name: str, entry: Id, reason: str) -> tuple[bool, str]:
    """A run ends before it has a record, and is remembered for long: whoever comes to its entry finds it ended. One
    that has a record, or is over, is left as it is: (False, why)."""
    slot, run = bus.slot(slot_name), bus.slot(slot_name).runs.get(name)
    if run:
        return False, run.state
    if entry not in slot.events.entries:
        return False, ""
    group = slot.events.groups[fn]
    read = entry <= group.delivered
    if read and entry not in group.pending:
        return False, "acknowledged"
    group.pending.pop(entry, None)
    run = slot.runs[name] = Run(fn, "", "", bus.now, bus.now, state="ended", kept=bus.bounds.unread)
    run.status, run.result, run.error, run.ended = "cancelled", "null", reason, bus.now
    slot.ended[name] = bus.now
    return True, "running" if read else "unread"


def call_off(bus: Bus, slot_name: str, name: str, *, won: int | None) -> None:
    """What a run waits for elsewhere, but for the event that ended it, is to be forgotten there."""
    run = bus.slot(slot_name).runs[name]
    for number, wanted in enumerate(run.waits[run.wait].events):
        if number != won:
            wait = f"{slot_name}|{name}:{run.wait}:{number}"
            put(bus, slot_name, {"id": f"unwait:{wait}", "kind": "unwait", "target": wanted.event, "event_id": wait})


def wake(bus: Bus, slot_name: str, fn: str, name: str) -> int:
    """A held run has its permit: ready at once. 0: there is no such open run; 2: it is open and will find it."""
    slot, run = bus.slot(slot_name), bus.slot(slot_name).runs.get(name)
    if not run or run.state == "ended":
        return 0
    if run.state != "held":
        run.handed = True
        return 2
    make_ready(bus, slot_name, name)
    slot.due.pop("r:" + name, None)
    return 1


def make_ready(bus: Bus, slot_name: str, name: str) -> None:
    """A resting run goes to its function's ready stream."""
    slot = bus.slot(slot_name)
    run = slot.runs[name]
    entry = slot.ready[run.fn].add(bus.now, {"run": name})
    run.state, run.at, run.due = "queued", f"r{text(entry)}", None


def audit(bus: Bus, slot_name: str) -> list[tuple[str, str]]:
    """Each open run is held against the store; what nothing would move is put back, and named (DESIGN 11)."""
    slot, found = bus.slot(slot_name), list[tuple[str, str]]()
    for name in slot.open:
        run = slot.runs[name]
        if run.state in RESTING:
            if slot.due.get("r:" + name) != run.due:
                slot.due["r:" + name] = run.due or 0
                found.append(("never-due", name))
            continue
        source, entry = (slot.ready[run.fn] if run.at[0] == "r" else slot.events), parsed(run.at[1:])
        group = source.groups[run.fn]
        if entry in group.pending or (entry in source.entries and entry > group.delivered):
            continue
        found.append(("acknowledged" if entry in source.entries else "entry-lost", name))
        make_ready(bus, slot_name, name)
    return sorted(found)
