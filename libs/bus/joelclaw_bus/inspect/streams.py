"""How the streams stand: length, readers, lag, what waits, what died."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from joelclaw_bus.errors import BusError, StoreRefused
from joelclaw_bus.inspect.names import event_names
from joelclaw_bus.inspect.replies import number, pairs, sound, text
from joelclaw_bus.store import Store


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """One function that reads a stream. `lag` None: the server can't tell; `ready`: retries and wake-ups to read."""

    function: str
    consumers: int
    pending: int
    lag: int | None
    ready: int


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """One event's stream and its companions. `last_ms` None: it is empty."""

    name: str
    length: int
    last_ms: int | None
    open: int
    due: int
    outbox: int
    dead: int
    groups: tuple[GroupFacts, ...]

    @property
    def is_bare(self) -> bool:
        """A registered slot that holds nothing and that nobody reads: a function's permits, another room's outbox."""
        return not (self.length or self.open or self.due or self.outbox or self.dead or self.groups)


async def stream_facts(store: Store, pattern: str = "*") -> list[StreamFacts]:
    """Every stream that matches, by name."""
    facts = [await _facts(store, name) for name in await event_names(store, pattern)]
    return [f for f in facts if not f.is_bare]


async def _facts(store: Store, name: str) -> StreamFacts:
    slot = store.keys.slot(name)
    length, newest, groups, opened, due, outbox, dead = await store.calls(
        [
            ("XLEN", slot.stream),
            ("XREVRANGE", slot.stream, "+", "-", "COUNT", 1),
            ("XINFO", "GROUPS", slot.stream),
            ("ZCARD", slot.open),
            ("ZCARD", slot.due),
            ("ZCARD", slot.outbox),
            ("XLEN", slot.dead),
        ]
    )
    newest = sound(newest)
    return StreamFacts(
        name=name,
        length=sound(length),
        last_ms=int(text(newest[0][0]).partition("-")[0]) if newest else None,
        open=sound(opened),
        due=sound(due),
        outbox=sound(outbox),
        dead=sound(dead),
        groups=tuple([await _group(store, name, pairs(row)) for row in _rows(groups)]),
    )


def _rows(groups: Any) -> list[Any]:
    if isinstance(groups, StoreRefused) and "no such key" in str(groups):
        return []  # registered, but nothing was ever written
    if isinstance(groups, BusError):
        raise groups
    return list(groups)


async def _group(store: Store, name: str, row: dict[str, str]) -> GroupFacts:
    function = row["name"]
    ready = await store.call("XLEN", store.keys.slot(name).ready(function))
    return GroupFacts(function, int(row["consumers"]), int(row["pending"]), number(row.get("lag")), int(ready))
