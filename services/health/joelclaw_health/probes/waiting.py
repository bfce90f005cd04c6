"""What waits on the streams: the age of the oldest entry that is unread or in hand, per expected component."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joelclaw_bus import BusError, Store
from joelclaw_health.registry import Expected
from joelclaw_health.sample import Sample

CONDITION = "waiting"


async def waiting(
    store: Store, expected: Sequence[Expected], slots: Sequence[str], *, now: int, waiting_ms: int
) -> list[Sample]:
    """One sample per component. Parked runs are no part of it: they wait by design. StoreUnavailable, StoreRefused."""
    oldest: dict[str, tuple[int, str]] = {}
    for name in slots:
        slot = store.keys.slot(name)
        groups = await _groups(store, slot.stream)
        for function, row in groups.items():
            for stream in (slot.stream, slot.ready(function)):
                at = await _oldest(store, stream, function, row if stream == slot.stream else None)
                if at and (function not in oldest or at < oldest[function][0]):
                    oldest[function] = (at, name)
    return [_sample(e, oldest, now, waiting_ms) for e in expected]


def _sample(e: Expected, oldest: dict[str, tuple[int, str]], now: int, waiting_ms: int) -> Sample:
    found = [(*oldest[f], f) for f in e.functions if f in oldest]
    if not found:
        return Sample(e.name, CONDITION, "ok", now, "nothing waits", "", e.started_ms)
    at, name, function = min(found)
    age = max(0, now - at)
    late = age > waiting_ms
    reason = f"{function} has had an entry of {name} before it for {age / 1000:.0f} s" if late else ""
    return Sample(e.name, CONDITION, "failing" if late else "ok", now, f"{age / 1000:.1f} s", reason, e.started_ms)


async def _groups(store: Store, stream: str) -> dict[str, dict[str, Any]]:
    """Each group's row; none where the stream is not there yet."""
    try:
        rows = await store.call("XINFO", "GROUPS", stream)
    except BusError as error:
        if "no such key" in str(error):
            return {}
        raise
    found = [{k.decode(): v for k, v in zip(row[::2], row[1::2], strict=True)} for row in rows]
    return {row["name"].decode(): row for row in found}


async def _oldest(store: Store, stream: str, function: str, row: dict[str, Any] | None) -> int:
    """When the oldest entry that this group has not ended was appended, ms; 0: there is none."""
    row = row or (await _groups(store, stream)).get(function)
    if row is None:
        return 0
    times = []
    if row["pending"]:
        summary = await store.call("XPENDING", stream, function)
        times += [_ms(summary[1])] if summary[1] else []
    unread = await store.call("XRANGE", stream, b"(" + row["last-delivered-id"], "+", "COUNT", 1)
    times += [_ms(entry) for entry, _ in unread]
    return min(times, default=0)


def _ms(entry: bytes) -> int:
    return int(entry.partition(b"-")[0])
