"""The whole store as plain values, and what the specification says they should be: key by key, nothing left out."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from joelclaw_bus.key_kinds import kind_of
from joelclaw_bus.keys import Keys, Slot
from joelclaw_bus.store import Store
from tests.model.spec import nouns
from tests.model.spec.nouns import MINUTE, Bus, Run, Stream, text
from tests.support.server import MARK

NOT_COMPARED = ("slots", "ids", "pauses")
"""What is compared elsewhere."""
Picture = dict[str, Any]
DUMP = """#!lua flags=allow-cross-slot-keys
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind, value = redis.call('TYPE', key).ok, ''
  if kind == 'string' then value = redis.call('GET', key) end
  if kind == 'hash' then value = redis.call('HGETALL', key) end
  if kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  if kind == 'stream' then
    value = { redis.call('XRANGE', key, '-', '+'), {} }
    for i, info in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      value[2][i] = { info[2], info[8], redis.call('XPENDING', key, info[2], '-', '+', 1000) }
    end
  end
  out[#out + 1] = { key, kind, value }
end
return out
"""
IGNORED = {"ts", "source", "e:ts", "e:source", "buried"}
"""The producer's own words, and when a letter was written, which its id says too."""


@dataclass(eq=False)
class Idle:
    """How long an entry lies untouched, which is its lease. Real time passes as well, a little."""

    ms: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Idle) and abs(self.ms - other.ms) < MINUTE


async def seen(store: Store) -> Picture:
    """What the store holds."""
    picture: Picture = {}
    for raw, kind, value in await store.call("EVAL", DUMP, 0):
        key = raw.decode()
        row = kind_of(key)
        if key == MARK or (row and row.row in NOT_COMPARED):
            continue
        if row and row.row == "ids of a generation":
            picture.setdefault("{" + row.tag + "}:ids", {}).update(_plain("hash", value))
        elif plain := _row(row.row if row else "", _plain(kind.decode(), value)):
            picture[key] = plain
    return picture


def _plain(kind: str, value: Any) -> Any:
    match kind:
        case "hash":
            return {k: v for k, v in _pairs(value) if k not in IGNORED}
        case "zset":
            return {k: float(v) for k, v in _pairs(value)}
        case "stream":
            entries = {i.decode(): {k: v for k, v in _pairs(f) if k not in IGNORED} for i, f in value[0]}
            groups = {
                fn.decode(): (
                    through.decode(),
                    {e.decode(): _pending(e.decode() in entries, *row) for e, *row in pending},
                )
                for fn, through, pending in value[1]
            }
            return entries, groups
        case _:
            return value.decode()


def _pending(there: bool, consumer: bytes, idle: int, count: int) -> Any:
    # The idle time of an entry that was deleted can't be moved along: virtual.py says why.
    return consumer.decode(), count, Idle(idle) if there else None


def _pairs(flat: list[bytes]) -> list[tuple[str, str]]:
    return [(k.decode(), v.decode()) for k, v in zip(flat[::2], flat[1::2], strict=True)]


def _row(row: str, value: Any) -> Any:
    if row == "outbox items":
        return {k: v if k[0] == "#" else json.loads(v) for k, v in value.items()}
    if row == "run":
        return {k: _entry_of(v) if k[:2] == "a:" else v for k, v in value.items()}
    if row == "marks":
        return {k: v for k, v in value.items() if not k.startswith("~ids")}
    if row == "due items":
        return {k: dict(_twos(json.loads(v))) for k, v in value.items()}
    return value


def _twos(flat: list[str]) -> list[tuple[str, str]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def expected(bus: Bus, keys: Keys) -> Picture:
    """What it should hold."""
    picture: Picture = {}
    for name, state in bus.slots.items():
        slot = keys.slot(name)
        if state.events.last > (0, 0) or state.events.groups:
            picture[slot.stream] = _stream(state.events, bus.now)
        if state.dead.last > (0, 0):
            picture[slot.dead] = _stream(state.dead, bus.now)
        for fn, ready in state.ready.items():
            picture[slot.ready(fn)] = _stream(ready, bus.now)
        for run, record in state.runs.items():
            picture[slot.run(run)] = _run(run, record)
        for entry, at in state.buried.items():
            picture[slot.buried(text(entry))] = str(at)
        for fn, (holder, _) in state.claimers.items():
            picture[slot.claimer(fn)] = f"1|{holder}"
        picture |= _collections(slot, state)
    for (fn, key), gate in bus.gates.items():
        slot = keys.function_slot(fn)
        picture |= {slot.permits(key): gate.holders, slot.claims(key): _claims(gate), slot.waiters(key): gate.waiters}
    return {key: value for key, value in picture.items() if value}


def _collections(slot: Slot, state: nouns.Slot) -> Picture:
    marks = {fn: text(through) for fn, through in state.marks.items()}
    marks |= {f"start:{fn}": text(start) for fn, start in state.starts.items()}
    marks |= {f"redo:{fn}": text(through) for fn, through in state.redo.items()}
    items: dict[str, Any] = {}
    for name, letter in state.outbox.items():
        items[name] = {k: v for k, v in letter.item.items() if v or letter.item["kind"] == "wake"}
        if letter.tries:
            items[f"#{name}"] = str(letter.tries)
    forms = Counter(json.loads(wait.text)["form"] for wait in state.waits.values())
    cron: dict[str, str] = {}
    for name, s in state.schedules.items():
        fields = {
            "expression": s.expression,
            "generation": s.generation,
            "mark": s.mark,
            "since": s.since,
            "seen": s.seen,
        }
        cron |= {f"{name}:{field}": str(value) for field, value in fields.items()}
    return {
        slot.open: state.open,
        slot.ended: state.ended,
        slot.due: state.due,
        slot.due_items: state.delayed,
        slot.outbox: {name: letter.next_try for name, letter in state.outbox.items()},
        slot.outbox_items: items,
        slot.ids: {name: text(first) if first else "due" for name, (first, _) in state.ids.items()},
        slot.marks: marks,
        slot.cron: cron,
        slot.waits: {name: wait.ends for name, wait in state.waits.items()},
        slot.wait_items: {name: wait.text for name, wait in state.waits.items()},
        slot.wait_index: {f"{json.loads(wait.text)['key']}:{name}": 0 for name, wait in state.waits.items()},
        slot.wait_forms: {form: str(count) for form, count in forms.items()},
    }


def _stream(stream: Stream, now: int) -> Any:
    groups = {
        fn: (
            text(group.delivered),
            {
                text(e): (hold.consumer, hold.count, Idle(now - hold.since) if e in stream.entries else None)
                for e, hold in sorted(group.pending.items())
            },
        )
        for fn, group in stream.groups.items()
    }
    return {text(entry): _told(fields) for entry, fields in stream.entries.items()}, groups


def _told(fields: dict[str, str]) -> dict[str, str]:
    return {field: value for field, value in fields.items() if field not in IGNORED}


def _claims(gate: nouns.Gate) -> dict[str, str]:
    return {m: f"{claim} {gate.at_work[m]}" if m in gate.at_work else claim for m, claim in gate.claims.items()}


def _run(name: str, run: Run) -> dict[str, str]:
    record: dict[str, Any] = {"v": 1, "run": name, "fn": run.fn, "state": run.state, "created": run.created}
    record |= {"attempt": run.attempt, "at": run.at or None, "claim": run.claim or None}
    record |= {"by": run.by or None, "steps": run.steps or None, "bytes": run.size, "begins": run.begins}
    record |= {"due": run.due, "error": run.error or None, "handed": 1 if run.handed else None}
    record |= {"wait": run.wait or None, "redriven": run.redriven}
    for step, waiting in run.waits.items():
        record[f"w:{step}"] = f"{waiting.until} {waiting.text}"
        record |= {f"a:{step}:{number}": _entry_of(told) for number, told in waiting.came.items()}
    record |= {"permit": json.dumps(run.permit, separators=(",", ":")) if run.permit else None}
    if run.state == "ended":
        record |= {"status": run.status, "result": run.result or None, "ended": run.ended}
    record |= {f"s:{step}": result for step, result in run.journal.items()}
    record |= {f"x:{n}": told for n, told in run.errors.items()}
    record |= {f"e:{field}": value for field, value in (run.body or {}).items()}
    return _told({field: str(value) for field, value in record.items() if value is not None})


def _entry_of(arrival: str) -> str:
    """What came, without its producer's own words."""
    return str(json.loads(arrival)["entry"])


def differences(is_: Picture, should: Picture) -> list[str]:
    """One line for each key that is not as it should be."""
    lines = []
    for key in sorted(is_.keys() | should.keys()):
        a, b = is_.get(key), should.get(key)
        if a != b:
            lines.append(f"{key}\n  is     {_changed(a, b)}\n  should {_changed(b, a)}")
    return lines


def _changed(this: Any, other: Any) -> Any:
    if isinstance(this, dict) and isinstance(other, dict):
        return {k: v for k, v in this.items() if k not in other or other[k] != v} or "be without the other's"
    return this
