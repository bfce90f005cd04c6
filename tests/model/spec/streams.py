"""How entries come and go: publish, promote, read, take over, renew, hand back, trim, replay."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from tests.model.spec.moves import RESTING, make_ready
from tests.model.spec.nouns import Bus, Fields, Group, Hold, Id, Stream, parsed


def register(bus: Bus, slot_name: str, fn: str, back: int, *, ready: bool = True) -> tuple[int, str]:
    """A function's groups, where they are missing, at the mark they had reached: 0 there, 1 first, 2 was lost."""
    slot = bus.slot(slot_name)
    if ready:  # whoever is done with one of its entries deletes it: all that is there is still to be done
        slot.ready.setdefault(fn, Stream()).groups.setdefault(fn, Group())
    if fn in slot.events.groups:
        return 0, ""
    code, start = 2, slot.marks.get(fn)
    if start is None:
        code, start = 1, (bus.now - back, 0)
        slot.starts.setdefault(fn, start)
    else:
        slot.redo[fn] = slot.events.last
    slot.events.groups[fn] = Group(start)
    slot.marks[fn] = start
    return code, f"{start[0]}-{start[1]}"


def lose_group(bus: Bus, slot_name: str, fn: str, *, ready: bool) -> None:
    """A fault from outside: who had what is forgotten, and how far all had read."""
    slot = bus.slot(slot_name)
    del (slot.ready[fn] if ready else slot.events).groups[fn]


def publish(bus: Bus, slot_name: str, fields: Fields, event_id: str, at: int) -> tuple[Id | None, bool]:
    """At most one append per id and window (DESIGN 12): (entry, or None while it waits; whether the id was known)."""
    slot = bus.slot(slot_name)
    if event_id in slot.ids:
        return slot.ids[event_id][0], True
    if event_id in slot.delayed:
        return None, True
    if at > bus.now:
        slot.delayed[event_id], slot.due["e:" + event_id] = fields | {"due": str(at)}, at
        slot.ids[event_id] = (None, bus.now)
        return None, False
    entry = slot.events.add(bus.now, fields)
    if event_id:
        slot.ids[event_id] = (entry, bus.now)
    return entry, False


def promote(bus: Bus, slot_name: str) -> tuple[int, int | None]:
    """What is due goes where it is read, nothing early (DESIGN 13): (how many were moved, what is due next)."""
    slot, moved = bus.slot(slot_name), 0
    for member, at in sorted(slot.due.items(), key=lambda pair: (pair[1], pair[0])):
        name = member[2:]
        if at > bus.now:
            continue
        del slot.due[member]
        run = slot.runs.get(name) if member[0] == "r" else None
        if run and run.state in RESTING and run.due == at:
            make_ready(bus, slot_name, name)
            moved += 1
        elif member[0] == "e" and name in slot.delayed:
            fields = {field: value for field, value in slot.delayed.pop(name).items() if field != "due"}
            entry = slot.events.add(bus.now, fields)
            first, since = slot.ids.get(name, (None, bus.now))
            slot.ids[name] = (first or entry, since)
            moved += 1
    return moved, min(slot.due.values(), default=None)


def read(bus: Bus, slot_name: str, fn: str, consumer: str, count: int) -> list[tuple[bool, Id]]:
    """Each entry goes to one consumer of a group, in order: (from the ready stream, entry)."""
    slot, found = bus.slot(slot_name), []
    for ready, stream in ((False, slot.events), (True, slot.ready[fn])):
        group = stream.groups[fn]
        for entry in [e for e in sorted(stream.entries) if e > group.delivered][:count]:
            group.pending[entry] = Hold(consumer, 1, bus.now)
            group.delivered = entry
            found.append((ready, entry))
    return found


def steal(bus: Bus, stream: Stream, fn: str, entry: Id, consumer: str) -> None:
    """An entry is delivered once more, to somebody else: by whatever accident."""
    hold = stream.groups[fn].pending[entry]
    hold.consumer, hold.count, hold.since = consumer, hold.count + 1, bus.now


def take_over(
    bus: Bus,
    slot_name: str,
    fn: str,
    ready: bool,
    consumer: str,
    *,
    cursor: Id,
    most: int,
    sent_at: int,
    alone: Collection[Id] = (),
) -> Any:
    """One page of what lost its lease, for the elected claimer alone, and only in time (DESIGN 6, 7). What it leaves
    `alone` keeps its owner and its age, and takes a place of the page all the same."""
    slot, lease = bus.slot(slot_name), bus.bounds.lease
    if abs(bus.now - sent_at) > lease // 4:
        return "jumped"
    holder = slot.claimers.get(fn)
    if holder and holder[0] != consumer:
        return "not the claimer"
    stream = slot.ready[fn] if ready else slot.events
    pending, taken, struck, answered = stream.groups[fn].pending, [], [], 0
    left = [entry for entry in sorted(pending) if entry >= cursor]
    while left and answered < most:
        entry = left.pop(0)
        if entry not in stream.entries:
            del pending[entry]
            struck.append(entry)
            answered += 1
        elif bus.now - pending[entry].since >= lease:
            if entry not in alone:
                steal(bus, stream, fn, entry, consumer)
                taken.append(entry)
            answered += 1
    slot.claimers[fn] = (consumer, bus.now + lease)
    if len(taken) + len(struck) == most:  # it may have no place for more
        del slot.claimers[fn]
    young = max((bus.now - hold.since for entry, hold in pending.items() if entry not in alone), default=0)
    return taken, struck, left[0] if left else (0, 0), max(0, lease - young) if young >= lease // 2 else None


def renew(bus: Bus, stream: Stream, fn: str, consumer: str, entries: Iterable[Id]) -> list[Id]:
    """The leases of what one holds begin anew; the answer is what one holds no more."""
    lost, pending = [], stream.groups[fn].pending
    for entry in entries:
        if entry not in pending or pending[entry].consumer != consumer:
            lost.append(entry)
        elif entry in stream.entries:
            pending[entry].since = bus.now
    return lost


def hand_back(bus: Bus, stream: Stream, fn: str, consumer: str, only: Collection[Id] = ()) -> int:
    """A stopping worker's leases count as run out; `only` what is named, and was not begun, counts as not delivered."""
    pending = stream.groups[fn].pending
    own = [entry for entry, hold in pending.items() if hold.consumer == consumer and entry in (only or pending)]
    for entry in own:
        if entry in stream.entries:
            pending[entry].since = bus.now - bus.bounds.lease
            pending[entry].count -= 1 if only else 0
        else:
            del pending[entry]
    return len(own)


def trim(bus: Bus, slot_name: str) -> tuple[int, int]:
    """What every group has acknowledged and retention has passed goes, and nothing else (DESIGN 15); so do old ends."""
    slot = bus.slot(slot_name)
    cut = (bus.now - bus.bounds.events, 0)
    for fn, group in slot.events.groups.items():
        first = min(group.pending, default=None)
        through = group.delivered
        if first is not None:
            through = (first[0], first[1] - 1) if first[1] else (first[0] - 1, 2**64 - 1)
        slot.marks[fn] = through
        cut = min(cut, (through[0], through[1] + 1))
    gone = [entry for entry in slot.events.entries if entry < cut]
    for entry in gone:
        del slot.events.entries[entry]
    old = [name for name, at in slot.ended.items() if at <= bus.now - bus.bounds.ended]
    for name in old:
        del slot.ended[name]
    return len(gone), len(old)


def replay(bus: Bus, slot_name: str, letter: Id, data: str) -> str | None:
    """A dead letter's event comes back under an id of its own, once."""
    slot = bus.slot(slot_name)
    if letter not in slot.dead.entries:
        return None
    old = slot.dead.entries.pop(letter)
    event_id = f"replay-{letter[0]}-{letter[1]}"
    fields = {"data": data, "id": event_id, "ts": "0" * 13, "source": "joelclaw"}
    entry = slot.events.add(bus.now, fields | {"replayOf": old.get("e:id", old.get("e:entry", ""))})
    return f"{entry[0]}-{entry[1]}"


def delete(stream: Stream, entry: Id) -> None:
    """A fault from outside: an entry is deleted. Its group still has it pending, if it was delivered."""
    stream.entries.pop(entry, None)


__all__ = ["delete", "hand_back", "parsed", "promote", "publish", "read", "register", "renew", "replay", "steal"]
__all__ += ["take_over", "trim"]
