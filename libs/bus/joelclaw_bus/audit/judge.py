"""What is wrong with what was seen, and what repairs it: pure, one function a kind of thing.

| a run that                                             | rule                    | repair                           |
|--------------------------------------------------------|-------------------------|----------------------------------|
| is named open and has no record                        | record-lost             | its event comes again; or renew  |
| is open with a record of a newer format                | newer-format            | none: a newer worker's           |
| is in a state that nobody here knows                   | unknown-state           | none                             |
| has ended and is named open, or is kept for ever       | ended-open, ended-kept  | close                            |
| is open and not named so, or would expire              | unlisted, open-expires  | list                             |
| has no state                                           | state-lost              | from what else it says           |
| lacks its function's name or its format                | fields-lost             | name                             |
| was parked, and lacks its event                        | body-lost               | carry it again; or it ends, when |
|                                                        |                         | it is woken                      |
| rests, and no due entry (at its time) will wake it     | never-due, due-at-other | rest                             |
| rests until no time                                    | no-time                 | rest                             |
| waits, and does not say for what                       | wait-unreadable         | woken: it waits anew             |
| waits for what does not know of it (waits.py)          | wait-lost               | woken: it registers again        |
| is queued by no entry                                  | no-entry                | queue, or lose                   |
| is queued, and its entry is gone                       | entry-lost              | queue, or lose                   |
| is queued, and its entry was acknowledged              | acknowledged            | queue                            |
| is queued on a ready stream that lost its group        | ready-group-lost        | regroup                          |
| is queued on a stream that lost its group              | group-lost              | none: its worker makes it anew,  |
|                                                        |                         | or an operator dropped it        |

`queue` lets it go on from its journal; `lose` ends it as failed, with a dead letter.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from joelclaw_bus.audit.facts import BodySeen, PendingSeen, RunSeen, SlotSeen
from joelclaw_bus.outbox_item import OutboxItem

RECORD_FORMAT = 1
"""As in lua/lib/record.lua; a test holds them together."""
RESTING = ("due", "held", "waiting")
Remedy = Literal["repaired", "lost", "left"]
ALL_IDS = "all"
"""Instead of a generation's number: what was sent within the window may be sent, and done, once more."""
LOST = "its event was lost with its stream, before the run rested"
RECORD_LOST = "its record was lost, and its event is no longer there"


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise. repair: a word of the mend scripts, '' when there is none; at_ms: for `rest`, `put`."""

    rule: str
    name: str
    remedy: Remedy
    repair: str = ""
    at_ms: int = 0
    error: str = ""


def judge_run(r: RunSeen) -> Finding | None:
    """What is wrong with this run, by the table above; None when its state and the store agree."""
    if not r.recorded:
        return _unrecorded(r)
    if r.format.isdigit() and int(r.format) > RECORD_FORMAT:
        # One that isn't named open and expires has ended, as far as we can tell: there is nothing to leave alone.
        return Finding("newer-format", r.run, "left") if r.listed or r.ttl_ms < 0 else None
    if r.state == "ended":
        return _ended(r)
    if r.state and r.state not in (*RESTING, "queued"):
        return Finding("unknown-state", r.run, "left")
    if not r.is_named or not r.format.isdigit():
        return Finding("fields-lost", r.run, "repaired", "name")
    wrong = _stateless(r) if not r.state else _resting(r) if r.state in RESTING else _queued(r)
    if wrong:
        return wrong
    if not r.has_body and not r.at.startswith("s"):
        found = bool(r.event_entry)
        return Finding("body-lost", r.run, "repaired" if found else "left", "carry" if found else "")
    if not r.listed:
        return Finding("unlisted", r.run, "repaired", "list")
    return Finding("open-expires", r.run, "repaired", "list") if r.ttl_ms >= 0 else None


def _unrecorded(r: RunSeen) -> Finding | None:
    if not r.listed:
        return None
    if r.pending or r.undelivered:
        return Finding("record-lost", r.run, "repaired", "unlist")
    if r.event_entry and r.function:
        return Finding("record-lost", r.run, "repaired", "renew")
    return Finding("record-lost", r.run, "lost", "lose", error=RECORD_LOST)


def _ended(r: RunSeen) -> Finding | None:
    if r.listed:
        return Finding("ended-open", r.run, "repaired", "close")
    return Finding("ended-kept", r.run, "repaired", "close") if r.ttl_ms == -1 else None


def _stateless(r: RunSeen) -> Finding:
    if r.ended:
        return Finding("state-lost", r.run, "repaired", "close")
    if r.due_score or r.due:
        return Finding("state-lost", r.run, "repaired", "rest", _ms(r.due or r.due_score))
    if r.pending or r.undelivered:
        return Finding("state-lost", r.run, "repaired", "queued")
    return _again("state-lost", r)


def _resting(r: RunSeen) -> Finding | None:
    if not r.due:
        return Finding("no-time", r.run, "repaired", "rest", _ms(r.due_score))
    if not r.due_score:
        return Finding("never-due", r.run, "repaired", "rest", _ms(r.due))
    if _ms(r.due_score) != _ms(r.due):
        return Finding("due-at-other", r.run, "repaired", "rest", _ms(r.due))
    if r.state == "waiting" and not r.awaits:
        return Finding("wait-unreadable", r.run, "repaired", "rest")
    return None


def _queued(r: RunSeen) -> Finding | None:
    if not r.names_entry:
        return _again("no-entry", r)
    if r.pending or r.undelivered:
        return None
    if not r.entry_there:
        return _again("entry-lost", r)
    if r.group_there:
        return _again("acknowledged", r)
    if r.at.startswith("r"):
        return Finding("ready-group-lost", r.run, "repaired", "regroup")
    return Finding("group-lost", r.run, "left")


def _again(rule: str, r: RunSeen) -> Finding:
    if r.can_go_on:
        return Finding(rule, r.run, "repaired", "queue")
    return Finding(rule, r.run, "lost", "lose", error=LOST)


def judge_due(w: PendingSeen) -> Finding | None:
    """A member of the due index: a run's without a resting run, an event's without its body."""
    if w.member.startswith("r:"):
        idle = w.state in ("", "ended", "queued")
        return Finding("due-without-run", w.member[2:], "repaired", "drop") if idle else None
    return None if w.has_body else Finding("event-lost", w.member[2:], "lost", "drop")


def judge_due_body(b: BodySeen) -> Finding | None:
    """A delayed event that nothing would promote: due again at the time that its body tells."""
    return None if b.scored else Finding("event-never-due", b.id, "repaired", "put", _due_of(b.body))


def judge_item(w: PendingSeen, now_ms: int, window_ms: int) -> Finding | None:
    """A member of an outbox. One that can't be read or is refused stays, and is named."""
    if not w.has_body:
        return Finding("item-lost", w.member, "lost", "drop")
    if not w.body:
        return None
    try:
        item = OutboxItem.decode(w.body)
    except ValueError:
        return Finding("item-unreadable", w.member, "left")
    old = item.created_ms and now_ms - item.created_ms > window_ms
    return Finding("item-old", w.member, "left") if old else None


def judge_item_body(b: BodySeen) -> Finding | None:
    """An item that nothing would deliver, or the count of an item that is gone."""
    if b.scored:
        return None
    if b.id.startswith("#"):
        return Finding("tries-left", b.id, "repaired", "forget")
    return Finding("item-unlisted", b.id, "repaired", "put")


def judge_slot(s: SlotSeen, functions: frozenset[str]) -> list[Finding]:
    """`functions`: those that are registered; a stranger's group has no marks of ours."""
    found = [Finding("ids-lost", g, "lost", "forget") for g in s.lost_ids]
    found += [Finding("ids-lost", ALL_IDS, "lost", "forget-all")] if s.lost_index else []
    marked = {m.removeprefix("start:") for m in s.marks if m.startswith("start:")}
    found += [Finding("marks-lost", g, "lost", "mark") for g in s.groups if g in functions and g not in marked]
    return found


def _ms(score: str) -> int:
    try:
        return int(float(score))
    except (ValueError, OverflowError):  # a stranger's: then it is due now
        return 0


def _due_of(body: bytes) -> int:
    """When a delayed event is due by its body, ms; 0 when it doesn't say: then it has waited long enough."""
    try:
        fields = json.loads(body)
        return int(fields[-1]) if fields[-2] == "due" else 0
    except (ValueError, TypeError, LookupError, RecursionError):
        return 0
