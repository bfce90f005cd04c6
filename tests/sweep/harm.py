"""Everything in a store that can be lost by itself: each key, each member, field, entry and group."""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_bus import Store
from joelclaw_bus.store import Command
from tests.sweep.outlook import keys_of


@dataclass(frozen=True, slots=True)
class Harm:
    """`place`: which one it is, the same in each store that was made alike; `what`: in words; `command` does it."""

    place: tuple[str, int, int]
    what: str
    command: Command


async def harms_of(store: Store) -> list[Harm]:
    found: list[Harm] = []
    for row, keys in sorted((await keys_of(store)).items()):
        for k, key in enumerate(sorted(keys)):
            name = key.replace(store.settings.prefix, "")
            found.append(Harm((row, k, 0), f"{row} {name}", ("DEL", key)))
            for n, (word, part, command) in enumerate(await _parts(store, key), start=1):
                found.append(Harm((row, k, n), f"{row} {name}: {word} {part}", command))
    return found


async def _parts(store: Store, key: str) -> list[tuple[str, str, Command]]:
    match (await store.call("TYPE", key)).decode():
        case "hash":
            return [("field", f.decode(), ("HDEL", key, f)) for f in sorted(await store.call("HKEYS", key))]
        case "zset":
            return [("member", m.decode(), ("ZREM", key, m)) for m in sorted(await store.call("ZRANGE", key, 0, -1))]
        case "stream":
            entries = [(e.decode(), e) for e, _ in await store.call("XRANGE", key, "-", "+")]
            groups = [row[1] for row in await store.call("XINFO", "GROUPS", key)]
            lost: list[tuple[str, str, Command]] = [("entry", name, ("XDEL", key, e)) for name, e in entries]
            lost += [("group", g.decode(), ("XGROUP", "DESTROY", key, g)) for g in sorted(groups)]
            for group in sorted(groups):
                for row in await store.call("XPENDING", key, group, "-", "+", 100):
                    lost.append(("pending", row[0].decode(), ("XACK", key, group, row[0])))
            return lost
        case _:
            return []
