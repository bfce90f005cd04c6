"""What the store says about one run: its record, its entry, who could move it, and what holds it. Read, not judged."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from joelclaw_bus.errors import GroupMissing, StoreRefused
from joelclaw_bus.inspect.dead import find_letter
from joelclaw_bus.inspect.replies import number, pairs, sound, text
from joelclaw_bus.keys import Slot
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.pauses import Pause, read_pauses
from joelclaw_bus.store import Store

HOLDERS = 10


@dataclass(frozen=True, slots=True)
class Hand:
    """Who has the run's entry: idle_ms since the lease was renewed, `deliveries` how often it was delivered."""

    consumer: str
    idle_ms: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class Server:
    """One worker that has the function: age_ms of its heartbeat, lease_ms as its heartbeats tell it."""

    worker: str
    age_ms: int
    lease_ms: int
    in_hand: int


@dataclass(frozen=True, slots=True)
class Line:
    """The permit that a run waits for: who has it, how many wait before this one (None: it is not lined up)."""

    key: str
    most: int
    holders: tuple[str, ...]
    rank: int | None


@dataclass(frozen=True, slots=True)
class RunSituation:
    """One run and all that bears on it. Times are the server's, ms. entry_there, undelivered: of the entry it is queued
    by; ahead: entries that nobody has read, None if the server can't tell; group: whether its group is there."""

    run: str
    event: str
    function: str
    now_ms: int
    record: dict[str, str]
    entry: str = ""
    entry_there: bool = False
    group: bool = False
    undelivered: bool = False
    ahead: int | None = None
    hand: Hand | None = None
    due_score: int | None = None
    servers: tuple[Server, ...] = ()
    last_service: tuple[str, int] | None = None
    registration: dict[str, Any] = field(default_factory=dict)
    pause: Pause | None = None
    line: Line | None = None
    letter: str = ""
    missing_waits: tuple[str, ...] = ()


async def read_situation(store: Store, slot: Slot, run: str) -> RunSituation:
    """All facts of one run. StoreUnavailable, StoreRefused."""
    function, _, event_id = run.partition(":")
    record, due, letter, now = (
        pairs(await store.call("HGETALL", slot.run(run))),
        await store.call("ZSCORE", slot.due, f"r:{run}"),
        await find_letter(store, slot, run),
        await store.time_ms(),
    )
    function = record.get("fn", function)
    at = record.get("at") or ("" if record else f"s{event_id}")
    source = slot.ready(function) if at.startswith("r") else slot.stream
    entry = at[1:] if _is_entry(at[1:]) else ""
    there, group, undelivered, ahead, hand = await _queue(store, source, function, entry)
    servers, last = await _servers(store, function, now)
    return RunSituation(
        run=run,
        event=slot.name,
        function=function,
        now_ms=now,
        record=record,
        entry=entry,
        entry_there=there,
        group=group,
        undelivered=undelivered,
        ahead=ahead,
        hand=hand,
        due_score=int(float(due)) if due is not None else None,
        servers=servers,
        last_service=last,
        registration=_object(await store.call("HGET", store.keys.functions, function)),
        pause=(await read_pauses(store))[0].get(function),
        line=await _line(store, record, f"{slot.name}|{run}"),
        letter=letter,
        missing_waits=await _missing(store, record, f"{slot.name}|{run}"),
    )


async def _queue(
    store: Store, source: str, function: str, entry: str
) -> tuple[bool, bool, bool, int | None, Hand | None]:
    """Of an entry: is it there, has it a group, is it unread, how many are unread, in whose hand."""
    if not entry:
        return False, False, False, None, None
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
    hand = None
    if not isinstance(pending, GroupMissing) and sound(pending):
        _, consumer, idle, count = pending[0]
        hand = Hand(text(consumer), int(idle), int(count))
    unread = mine is not None and bool(sound(row)) and _order(mine["last-delivered-id"]) < _order(entry)
    return bool(sound(row)), mine is not None, unread, number(mine.get("lag")) if mine else None, hand


async def _servers(store: Store, function: str, now: int) -> tuple[tuple[Server, ...], tuple[str, int] | None]:
    """The workers that have the function, freshest first; and which service last had it, with its age, ms."""
    found = []
    for worker, raw in pairs(await store.call("HGETALL", store.keys.workers)).items():
        row = _object(raw)
        if function in (row.get("functions") or ()):
            age, lease = now - _int(row.get("at")), 3 * _int(row.get("everyMs"))
            found.append(Server(worker, age, lease, _int(row.get("inHand"))))
    services = []
    for service, raw in pairs(await store.call("HGETALL", store.keys.services)).items():
        row = _object(raw)
        if function in (row.get("functions") or ()):
            services.append((service, now - _int(row.get("at"))))
    return tuple(sorted(found, key=lambda s: s.age_ms)), min(services, key=lambda s: s[1], default=None)


async def _line(store: Store, record: dict[str, str], member: str) -> Line | None:
    """The permit of a held run, as its record names it."""
    if record.get("state") != "held" or not record.get("permit"):
        return None
    try:
        item = OutboxItem.decode(record["permit"].encode())
        slot = store.keys.function_slot(item.target)
    except ValueError:
        return None
    holders, rank = await store.calls(
        [
            ("ZRANGE", slot.permits(item.permit), 0, HOLDERS - 1),
            ("ZRANK", slot.waiters(item.permit), member),
        ]
    )
    return Line(item.permit, item.most, tuple(text(h) for h in sound(holders)), sound(rank))


async def _missing(store: Store, record: dict[str, str], member: str) -> tuple[str, ...]:
    """The awaited events whose slot does not know that this run waits for them."""
    step = record.get("wait", "")
    spec = wait_of(record)
    if record.get("state") != "waiting" or spec is None:
        return ()
    open_ones = [(event, n) for n, event in enumerate(spec.get("events", ())) if f"a:{step}:{n}" not in record]
    asked = [("HEXISTS", store.keys.slot(event).wait_items, f"{member}:{step}:{n}") for event, n in open_ones]
    known = await store.calls(asked) if asked else []
    return tuple(event for (event, _), there in zip(open_ones, known, strict=True) if not sound(there))


def wait_of(record: dict[str, str]) -> dict[str, Any] | None:
    """What a waiting run's record says it waits for; None when it says nothing that can be read."""
    _, _, raw = record.get(f"w:{record.get('wait', '')}", "").partition(" ")
    return _object(raw) or None


def _object(raw: Any) -> dict[str, Any]:
    """A JSON object; {} for all else: anyone may write where it lay."""
    try:
        read = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _is_entry(word: str) -> bool:
    ms, dash, seq = word.partition("-")
    return bool(dash) and ms.isdigit() and seq.isdigit()


def _order(entry: str) -> tuple[int, int]:
    ms, _, seq = entry.partition("-")
    return int(ms), int(seq or 0)
