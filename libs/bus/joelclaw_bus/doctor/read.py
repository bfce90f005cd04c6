"""The store's facts for a doctor. Every list is bounded; what can't be read raises, and is not known then."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joelclaw_bus.doctor.server import SETTINGS, ServerSeen
from joelclaw_bus.doctor.streams import LATE_MS, STUCK_MS, GroupSeen, StreamSeen
from joelclaw_bus.doctor.workers import WorkerSeen
from joelclaw_bus.errors import StoreRefused
from joelclaw_bus.inspect.replies import number, pairs, sound, text
from joelclaw_bus.inspect.workers import LIVE_MS
from joelclaw_bus.keys import WAITS_GROUP, Slot
from joelclaw_bus.store import Store


@dataclass(frozen=True, slots=True)
class Crowd:
    """workers, and functions by service; events and awaits: function -> names, of all that are registered."""

    workers: tuple[WorkerSeen, ...]
    services: Mapping[str, frozenset[str]]
    events: Mapping[str, frozenset[str]]
    awaits: Mapping[str, frozenset[str]]

    @property
    def served(self) -> frozenset[str]:
        return frozenset(f for w in self.workers if w.live for f in w.functions)

    def served_on(self, event: str) -> frozenset[str]:
        """The groups of an event's stream that a live worker reads for."""
        waits = any(event in self.awaits.get(f, ()) for f in self.served)
        return self.served | ({WAITS_GROUP} if waits else set())

    def wanted_on(self, event: str) -> frozenset[str]:
        return frozenset(f for f, events in self.events.items() if event in events)


async def read_server(store: Store, node: str) -> ServerSeen:
    before = time.time()
    seconds, micros = await store.call("TIME", node=node)
    after = time.time()
    skew = (int(seconds) + int(micros) / 1e6 - (before + after) / 2) * 1000
    info = await store.call("INFO", node=node)
    settings: dict[str, str | None] = {}
    for name in SETTINGS:
        try:
            settings[name] = pairs(await store.call("CONFIG", "GET", name, node=node)).get(name)
        except StoreRefused:  # the user may not ask, or the provider has no CONFIG
            settings[name] = None
    return ServerSeen(node or store.where, info, settings, skew, slack_ms=(after - before) * 500)


async def read_crowd(store: Store) -> Crowd:
    now = await store.time_ms()
    workers, services, functions = (
        pairs(sound(reply))
        for reply in await store.calls(
            ("HGETALL", key) for key in (store.keys.workers, store.keys.services, store.keys.functions)
        )
    )
    registered = {name: _object(raw) for name, raw in functions.items()}
    return Crowd(
        tuple(_worker(name, raw, now) for name, raw in sorted(workers.items())),
        {name: _names(_object(raw), "functions") for name, raw in services.items()},
        {name: _names(row, "events") for name, row in registered.items()},
        {name: _names(row, "awaits") for name, row in registered.items()},
    )


async def read_stream(store: Store, slot: Slot, wanted: frozenset[str]) -> StreamSeen:
    now = await store.time_ms()
    groups, ids, overdue, due, stuck, outbox, dead, length = await store.calls(
        [
            ("XINFO", "GROUPS", slot.stream),
            ("ZRANGE", slot.ids, 0, -1, "WITHSCORES"),
            ("ZCOUNT", slot.due, "-inf", now - LATE_MS),
            ("ZRANGE", slot.due, 0, 0, "WITHSCORES"),
            ("ZCOUNT", slot.outbox, "-inf", now - STUCK_MS),
            ("ZRANGE", slot.outbox, 0, 0, "WITHSCORES"),
            ("XLEN", slot.dead),
            ("XLEN", slot.stream),
        ]
    )
    if isinstance(groups, StoreRefused) and "no such key" in str(groups):
        groups = []
    return StreamSeen(
        name=slot.name,
        now_ms=now,
        groups=tuple([await _group(store, slot, pairs(row)) for row in sound(groups)]),
        ids=tuple(sorted(int(float(at)) for at in sound(ids)[1::2])),
        overdue=sound(overdue),
        due_head_ms=_head(sound(due)),
        stuck=sound(stuck) + await _retried(store, slot, now),
        outbox_head_ms=_head(sound(outbox)),
        dead=sound(dead),
        wanted=wanted,
        length=sound(length),
    )


async def _group(store: Store, slot: Slot, row: dict[str, str]) -> GroupSeen:
    """With the oldest entry that keeps the stream from being trimmed: pending, else the first unread."""
    lag, pending, oldest = number(row.get("lag")), int(row["pending"]), None
    if pending:
        summary = await store.call("XPENDING", slot.stream, row["name"])
        oldest = text(summary[1])
    elif lag != 0:
        unread = await store.call("XRANGE", slot.stream, f"({row['last-delivered-id']}", "+", "COUNT", 1)
        oldest = text(unread[0][0]) if unread else None
        lag = lag if unread else 0
    consumers = [pairs(c) for c in await store.call("XINFO", "CONSUMERS", slot.stream, row["name"])]
    quiet = min((number(c.get("idle")) or 0 for c in consumers), default=None)
    return GroupSeen(row["name"], lag, pending, int(oldest.partition("-")[0]) if oldest else None, quiet)


async def _retried(store: Store, slot: Slot, now: int) -> int:
    """Items whose next try lies ahead, since some were in vain: the first page of them."""
    rows = await store.call("ZRANGEBYSCORE", slot.outbox, now - STUCK_MS, "+inf", "LIMIT", 0, 100)
    tries = await store.calls(("HGET", slot.outbox_items, b"#" + item) for item in rows) if rows else []
    return sum((number(text(sound(n))) or 0) >= 3 for n in tries)


def _head(row: list[Any]) -> int | None:
    return int(float(row[1])) if row else None


def _worker(name: str, raw: str, now: int) -> WorkerSeen:
    row = _object(raw)
    at, form, service = row.get("at"), row.get("recordFormat"), row.get("service")
    return WorkerSeen(
        name,
        now - at if isinstance(at, int) else 0,
        _names(row, "functions"),
        form if isinstance(form, int) else 0,
        # A heartbeat from the future is nobody's: it would look alive for as long as that lies ahead.
        readable=isinstance(at, int) and at <= now + LIVE_MS,
        service=service if isinstance(service, str) else "",
    )


def _names(row: dict[str, Any], key: str) -> frozenset[str]:
    names = row.get(key)
    return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()


def _object(raw: str) -> dict[str, Any]:
    try:
        read = json.loads(raw)
    except (ValueError, RecursionError):  # anyone may write there
        return {}
    return read if isinstance(read, dict) else {}
