"""What a play's store still waits for; and time that passes, by moving what waits rather than by waiting.

The lease is so long that nothing runs out by itself on a slow machine. When it shall run out, `time_passes` does to
the keys what that time would have done: pending entries have been idle, permits and elections have run out, outbox
items are due. What lies in the due index is waited for really, since nothing may come early.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from joelclaw_bus import Store
from joelclaw_bus.key_kinds import kind_of
from joelclaw_bus.slot_calls.permits import read_claim

Keys = dict[str, list[str]]
OVER = {"open", "due", "due items", "outbox", "outbox items", "waiters"}
"""Kinds of keys that are gone when nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """`left`: one line for each thing that is not over; `due_ms`: how soon the next in a due index is due."""

    left: list[str]
    due_ms: float | None


async def keys_of(store: Store) -> Keys:
    """The keys of this prefix, by their row in `keys.py`; those it doesn't know under ''."""
    keys = set[str]()  # SCAN may name a key twice
    cursor = b"0"
    while True:
        cursor, page = await store.call("SCAN", cursor, "MATCH", f"*{store.settings.prefix}*", "COUNT", 5000)
        keys.update(raw.decode() for raw in page)
        if cursor == b"0":
            break
    found: Keys = {}
    for key in sorted(keys):
        kind = kind_of(key, store.settings.prefix)
        found.setdefault(kind.row if kind else "", []).append(key)
    return found


async def look(store: Store) -> Outlook:
    keys = await keys_of(store)
    left = [f"{key} is there" for row in OVER for key in keys.get(row, [])]
    streams = keys.get("event stream", []) + keys.get("ready", [])
    permits, dues = keys.get("permits", []), keys.get("due", [])
    now, *answers = await store.calls(
        [
            ("TIME",),
            *(("XINFO", "GROUPS", key) for key in streams),
            *(("XREVRANGE", key, "+", "-", "COUNT", 1) for key in streams),
            *(("ZREVRANGE", key, 0, -1, "WITHSCORES") for key in permits),
            *(("ZRANGE", key, 0, 0, "WITHSCORES") for key in dues),
        ]
    )
    now_ms = int(now[0]) * 1000 + int(now[1]) / 1000
    for key, groups, last in zip(streams, answers, answers[len(streams) :], strict=False):
        for group in (dict(zip(g[::2], g[1::2], strict=True)) for g in groups):
            if group[b"pending"]:
                left.append(f"{key}: {group[b'name'].decode()} has {group[b'pending']} pending")
            if last and _order(group[b"last-delivered-id"]) < _order(last[0][0]):
                left.append(f"{key}: {group[b'name'].decode()} has not read all")
    rest = answers[2 * len(streams) :]
    for key, rows in zip(permits, rest, strict=False):
        left += [f"{key}: {m.decode()} holds one" for m, score in _pairs(rows) if float(score) > now_ms]
    heads = [float(score) for rows in rest[len(permits) :] for _, score in _pairs(rows)]
    return Outlook(left, min(heads) - now_ms if heads else None)


async def time_passes(store: Store, ms: int) -> None:
    keys = await keys_of(store)
    streams = keys.get("event stream", []) + keys.get("ready", [])
    for key in streams:
        for group in await store.call("XINFO", "GROUPS", key):
            name = group[1]
            for entry, consumer, idle, _ in await store.call("XPENDING", key, name, "-", "+", 100):
                await store.call("XCLAIM", key, name, consumer, 0, entry, "IDLE", idle + ms, "JUSTID")
    for key in keys.get("outbox", []) + keys.get("permits", []):
        for member in await store.call("ZRANGE", key, 0, -1):
            await store.call("ZINCRBY", key, -ms, member)  # what has no end (+inf) keeps none
    for key in keys.get("claims", []):
        flat = await store.call("HGETALL", key)
        for member, taken in zip(flat[::2], flat[1::2], strict=True):
            claim, until = read_claim(taken)
            if until:
                await store.call("HSET", key, member, f"{claim} {until - ms}")
    for key in [k for row in ("claimer", "sweeper", "auditor") for k in keys.get(row, [])]:
        await store.call("DEL", key)


def _pairs(rows: list[Any]) -> list[tuple[bytes, bytes]]:
    return list(zip(rows[::2], rows[1::2], strict=True))


def _order(entry: bytes) -> tuple[int, int]:
    ms, _, number = entry.partition(b"-")
    return int(ms), int(number)
