"""What lies in a store, by kind of key: how many keys, and how many members, fields or entries in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from joelclaw_bus import Store
from joelclaw_bus.key_kinds import kind_of

SIZE = {b"hash": "HLEN", b"zset": "ZCARD", b"set": "SCARD", b"list": "LLEN", b"stream": "XLEN", b"string": "STRLEN"}
PAGE = 1_000


@dataclass
class Census:
    """By kind; a key of no kind of ours is counted under its name. bytes: as the server reckons them."""

    keys: Counter[str] = field(default_factory=Counter)
    members: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        rows = [f"{kind} {n} keys {self.members[kind]} in them, {self.bytes[kind]} B" for kind, n in self.keys.items()]
        return "; ".join(sorted(rows))


async def census(store: Store) -> Census:
    """A key that expires meanwhile is not counted."""
    seen, cursor = Census(), b"0"
    while True:
        cursor, names = await store.call("SCAN", cursor, "COUNT", PAGE)
        types = await store.calls(("TYPE", name) for name in names)
        there = [(name, SIZE[of]) for name, of in zip(names, types, strict=True) if of in SIZE]
        sizes = await store.calls((command, name) for name, command in there)
        used = await store.calls(("MEMORY", "USAGE", name) for name, _ in there)
        for (name, _), size, memory in zip(there, sizes, used, strict=True):
            text = name.decode("utf-8", "replace")
            kind = kind_of(text, store.keys.prefix)
            if isinstance(size, int) and isinstance(memory, int):
                row = kind.row if kind else text
                seen.keys[row] += 1
                seen.members[row] += size
                seen.bytes[row] += memory
        if cursor == b"0":
            return seen
