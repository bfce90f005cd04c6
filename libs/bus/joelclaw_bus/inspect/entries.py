"""The events themselves: the latest of some streams, or as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from joelclaw_bus.errors import StoreRefused
from joelclaw_bus.inspect.names import event_names
from joelclaw_bus.inspect.replies import ms_of, number, pairs, parsed, sound, text
from joelclaw_bus.store import Reader, Store

PAGE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `data` is parsed where it is JSON; `fields` holds what else it carries."""

    name: str
    entry: str
    ms: int
    id: str
    source: str
    data: Any
    fields: dict[str, str]


@dataclass(slots=True)
class Looked:
    """How far a search came: how many entries it looked at, when the oldest came, whether it left older ones."""

    entries: int = 0
    oldest_ms: int = 0
    left: bool = False


async def latest(
    store: Store, pattern: str, *, since_ms: int = 0, limit: int = 50, without: Container[str] = ()
) -> list[Entry]:
    """The newest `limit` entries of all streams that match (and are not in `without`), oldest first."""
    names = [n for n in await event_names(store, pattern) if n not in without]
    start = str(since_ms) if since_ms else "-"
    replies = await store.calls(("XREVRANGE", store.keys.slot(n).stream, "+", start, "COUNT", limit) for n in names)
    found = [entry_of(name, row) for name, rows in zip(names, replies, strict=True) for row in sound(rows)]
    return sorted(found, key=_order)[-limit:]


async def newest_first(
    store: Store,
    name: str,
    *,
    since_ms: int = 0,
    most: int | None = None,
    keep: Callable[[Entry], bool],
    looked: Looked | None = None,
) -> AsyncIterator[Entry]:
    """Entries of one stream that `keep` wants, newest first, in pages; looks at no more than `most`, and tells `looked`
    how far it came, for those who must not take a part for the whole."""
    far = looked or Looked()
    key, end, start = store.keys.slot(name).stream, "+", str(since_ms) if since_ms else "-"
    while most is None or far.entries < most:
        page = PAGE if most is None else min(PAGE, most - far.entries)
        rows = await store.call("XREVRANGE", key, end, start, "COUNT", page)
        for row in rows:
            entry = entry_of(name, row)
            far.entries, far.oldest_ms = far.entries + 1, ms_of(entry.entry)
            if keep(entry):
                yield entry
        if len(rows) < page:
            return
        end = f"({text(rows[-1][0])}"
    far.left = bool(await store.call("XREVRANGE", key, end, start, "COUNT", 1))


async def follow(
    store: Store, pattern: str, *, after: dict[str, str], block: float = 2.0, without: Container[str] = ()
) -> AsyncIterator[Sequence[Entry]]:
    """Entries as they come, a batch at a time (an empty one when nothing came for `block` seconds), for ever.

    `after`: where each stream was read to. A stream that appears later is read from its beginning.
    """
    async with store.reader(block) as reader:
        while True:
            for name in await event_names(store, pattern):
                if name not in without:
                    after.setdefault(name, "0-0")
            batch = []
            for name, rows in await _wait(store, reader, after, block):
                after[name] = text(rows[-1][0])
                batch += [entry_of(name, row) for row in rows]
            yield sorted(batch, key=_order)


async def _wait(store: Store, reader: Reader, after: dict[str, str], block: float) -> list[tuple[str, list[Any]]]:
    """(name, rows) of the streams that have something new; waits at most `block` seconds for it."""
    if not after:
        await anyio.sleep(block)
        return []
    keys = {store.keys.slot(name).stream: name for name in after}
    try:
        reply = await reader.call("XREAD", "COUNT", PAGE, "BLOCK", int(block * 1000), "STREAMS", *keys, *after.values())
    except StoreRefused as refused:
        if "same slot" not in str(refused):  # CROSSSLOT; the client library drops the word itself
            raise
        # A cluster reads one slot at a time: so look at each, and pause.
        await anyio.sleep(min(block, 0.25))
        reads = (("XREAD", "COUNT", PAGE, "STREAMS", key, after[name]) for key, name in keys.items())
        reply = [row for one in await store.calls(reads) for row in sound(one) or ()]
    return [(keys[text(key)], rows) for key, rows in reply or ()]


async def ends(store: Store, pattern: str, *, without: Container[str] = ()) -> dict[str, str]:
    """The last entry of each stream that matches: from here on, everything is new."""
    names = [n for n in await event_names(store, pattern) if n not in without]
    replies = await store.calls(("XREVRANGE", store.keys.slot(n).stream, "+", "-", "COUNT", 1) for n in names)
    return {name: text(sound(rows)[0][0]) if sound(rows) else "0-0" for name, rows in zip(names, replies, strict=True)}


def entry_of(name: str, row: Any) -> Entry:
    """A raw stream row as an Entry."""
    entry, fields = text(row[0]), pairs(row[1] or [])
    return Entry(
        name=name,
        entry=entry,
        ms=number(fields.get("ts")) or ms_of(entry),
        id=fields.pop("id", entry),
        source=fields.pop("source", ""),
        data=parsed(fields.pop("data", "")),
        fields=fields,
    )


def is_past(entry: Entry, after: dict[str, str]) -> bool:
    """Whether a reader that goes on from `after` has it behind it."""
    return _number(entry.entry) <= _number(after.get(entry.name, "0-0"))


def _order(entry: Entry) -> tuple[int, int]:
    return _number(entry.entry)


def _number(entry: str) -> tuple[int, int]:
    ms, _, count = entry.partition("-")
    return int(ms), int(count)
