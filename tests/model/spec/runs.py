"""The life of one run: begin, step, park, finish, bury. Who lost a delivery can write nothing more (DESIGN 3-5, 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.model.spec.letters import put
from tests.model.spec.nouns import Bus, Hand, Run, Waiting, text

Item = dict[str, Any]


def not_owner(bus: Bus, h: Hand) -> str:
    """Why this hand does not hold its entry: it is `gone`, or another consumer has the `lease`; '' when it does."""
    hold = bus.source(h).groups[h.fn].pending.get(h.entry)
    if hold is None:
        return "gone"
    return "" if hold.consumer == h.consumer else "lease"


def begin(bus: Bus, h: Hand, *, record_wanted: bool) -> Any:
    """A delivery may run: fenced by its claim. A second entry of an open or ended run is acknowledged instead."""
    why = not_owner(bus, h)
    if why:
        return "refused", why
    slot, run = bus.slot(h.slot), bus.slot(h.slot).runs.get(h.run)
    count = bus.source(h).groups[h.fn].pending[h.entry].count
    if run and run.state == "ended":
        return _drop(bus, h, "ended")
    if run and run.at != h.at:
        return _drop(bus, h, "open")
    if not run:
        if h.ready:
            return _drop(bus, h, "no record")
        if h.event_id:
            known = h.event_id in slot.ids
            first, since = slot.ids.get(h.event_id, (None, bus.now))
            if known and first and first != h.entry:
                # The first entry serves this group too, unless the group began after it.
                if slot.starts.get(h.fn, (0, 0)) < first:
                    return _drop(bus, h, "duplicate")
            else:
                slot.ids[h.event_id] = (h.entry, since)
        if count == 1 and not record_wanted:
            return "begun", 0, {}
        run = _record(bus, h)
    if count > 1 and (run.begins or 0) <= bus.bounds.begins:  # a burial that was lost is no begin
        run.begins = (run.begins or 0) + 1
    run.claim, run.handed = h.claim, False
    return "poisoned" if (run.begins or 0) > bus.bounds.begins else "begun", run.begins or 0, dict(run.journal)


def step(bus: Bus, h: Hand, name: str, result: str, item: Item | None, *, ends_wait: bool = False) -> Any:
    """A step has one result: the first one recorded. What it sends is written with it, once."""
    why = not_owner(bus, h) or _fenced_off(bus, h)
    if why:
        return "refused", why
    run = bus.slot(h.slot).runs.get(h.run)
    if run and name in run.journal:
        return run.journal[name]
    if run and run.steps >= bus.bounds.steps:
        return "limit", "steps"
    noted = sum(map(len, run.waits[name].came.values())) if run and ends_wait and name in run.waits else 0
    if (run.size or 0 if run else 0) + len(result) - noted > bus.bounds.run_bytes:
        return "limit", "bytes"
    run = run or _record(bus, h)
    run.journal[name], run.steps, run.size = result, run.steps + 1, max(0, (run.size or 0) + len(result) - noted)
    run.begins = None  # progress is no poison
    if ends_wait:
        run.wait = ""
        run.waits.pop(name, None)
    if item:
        put(bus, h.slot, item)
    return result


def park(
    bus: Bus,
    h: Hand,
    state: str,
    *,
    delay: int,
    name: str = "",
    error: str | None = None,
    items: Sequence[Item] = (),
    on_cancel: Item | None = None,
    waiting: Waiting | None = None,
) -> Any:
    """To rest until a time, a permit or an event, acknowledged in the same step. Who asks again is told the same, or
    that the run has gone on since."""
    slot, run = bus.slot(h.slot), bus.slot(h.slot).runs.get(h.run)
    why = not_owner(bus, h)
    if why and run and run.by == h.claim and run.state != "ended":
        return ("went on", bus.now) if run.due is None else run.due
    why = why or _fenced_off(bus, h)
    if why:
        return "refused", why
    if not (run and run.body) and h.entry not in slot.events.entries:
        return "refused", "event deleted"
    if name and run and run.steps >= bus.bounds.steps:
        return "limit", "steps"
    run = run or _record(bus, h)
    _keep_body(bus, h, run)
    due = bus.now + delay
    if state == "held" and run.handed:  # its permit came between the refusal and this
        run.handed, due = False, bus.now
    if waiting:
        run.wait, run.waits[name] = name, waiting
    elif name and name not in run.journal:
        run.journal[name], run.steps = f'{{"until":{due}}}', run.steps + 1
    if error is not None:
        run.attempt += 1
        run.errors[run.attempt] = run.error = error
    run.state, run.due, run.by, run.moved = state, due, h.claim, bus.now
    run.claim, run.at, run.begins = "", "", None
    slot.due["r:" + h.run] = due
    run.permit = on_cancel or run.permit
    for item in items:
        put(bus, h.slot, item)
    _acknowledge(bus, h)
    return due


def finish(bus: Bus, h: Hand, status: str, *, result: str, error: str, keep: bool, items: Sequence[Item]) -> Any:
    """The one end of a run: status, result, dead letter, what it sends and the acknowledgement, in one step."""
    slot, run = bus.slot(h.slot), bus.slot(h.slot).runs.get(h.run)
    why = not_owner(bus, h)
    if why and run and run.state == "ended" and run.by == h.claim:
        return bus.now
    if why == "gone" and not run:  # it may be this hand's own end of a run without a record, whose answer was lost
        return "refused", "acknowledged"
    why = why or _fenced_off(bus, h)
    if why:
        return "refused", why
    if not run and (status == "failed" or keep or items):
        run = _record(bus, h, at="")
    if run and status == "failed":
        _keep_body(bus, h, run)
        letter = {"kind": "run", "function": h.fn, "run": h.run, "error": error, "attempt": str(run.attempt)}
        letter |= {f"x:{n}": told for n, told in run.errors.items()}
        letter |= {f"e:{name}": value for name, value in (run.body or {}).items()}
        slot.dead.add(bus.now, letter)
    if run:
        run.state, run.status, run.result, run.ended, run.by = "ended", status, result, bus.now, h.claim
        run.error = error or run.error
        run.claim, run.at, run.begins, run.due, run.handed = "", "", None, None, False
        slot.ended[h.run] = bus.now
    for item in items:
        put(bus, h.slot, item)
    _acknowledge(bus, h)
    return bus.now


def bury(bus: Bus, h: Hand, letter: dict[str, str], items: Sequence[Item]) -> Any:
    """An entry that no handler may see: one dead letter and one answer, whichever group comes first."""
    why = not_owner(bus, h)
    if why:
        return "refused", why
    slot = bus.slot(h.slot)
    first = h.entry not in slot.buried
    if first:
        slot.buried[h.entry] = bus.now
        slot.dead.add(bus.now, letter)
        for item in items:
            put(bus, h.slot, item)
    del bus.source(h).groups[h.fn].pending[h.entry]
    return first


def _fenced_off(bus: Bus, h: Hand) -> str:
    run = bus.slot(h.slot).runs.get(h.run)
    return "claim" if run and run.claim != h.claim else ""


def _record(bus: Bus, h: Hand, at: str | None = None) -> Run:
    run = Run(h.fn, h.at if at is None else at, h.claim, bus.now, bus.now)
    bus.slot(h.slot).runs[h.run] = run
    return run


def _keep_body(bus: Bus, h: Hand, run: Run) -> None:
    """The event moves into the record before its entry is acknowledged: from then on the stream may be trimmed."""
    fields = bus.slot(h.slot).events.entries.get(h.entry)
    if run.body is None and fields is not None:
        run.body = {"entry": text(h.entry), **fields}


def _acknowledge(bus: Bus, h: Hand) -> None:
    source = bus.source(h)
    source.groups[h.fn].pending.pop(h.entry, None)
    if h.ready:
        source.entries.pop(h.entry, None)


def _drop(bus: Bus, h: Hand, why: str) -> tuple[str, str]:
    _acknowledge(bus, h)
    return "dropped", why
