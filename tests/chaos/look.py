"""The last look at the store, when everything should be over: what is still open, waiting, pending or buried.

Asked of the keys themselves with a client of the test's own, and written into the ledger as facts for the judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import redis

from joelclaw_bus.keys import Keys, Slot
from tests.chaos.load import Done, Job
from tests.support.leftovers import Leftovers

MOST_NAMED = 20


def slots(client: redis.Redis) -> list[Slot]:
    """Every slot that the bus has registered."""
    keys = Keys()
    return [keys.slot(name.decode()) for name in client.hkeys(keys.slots)]


def is_quiet(client: redis.Redis) -> bool:
    """Whether nothing is open, waiting, unread or unacknowledged any more. A store that is away isn't quiet."""
    try:
        return all(not what["count"] for what in unrest(client))
    except redis.exceptions.RedisError:
        return False


def unrest(client: redis.Redis) -> Iterable[dict[str, Any]]:
    """What is not at rest, per slot and kind: how much, and the first names."""
    for slot in slots(client):
        for kind, key in (("open run", slot.open), ("due", slot.due), ("outbox item", slot.outbox)):
            names = [m.decode() for m in client.zrange(key, 0, MOST_NAMED - 1)]
            yield {"kind": kind, "slot": slot.name, "count": client.zcard(key), "names": names}
        streams = [slot.stream, *(k.decode() for k in client.scan_iter(match=slot.key("ready", "*"), count=1000))]
        for stream in streams:
            yield from groups_of(client, stream)


def groups_of(client: redis.Redis, stream: str) -> Iterable[dict[str, Any]]:
    if not client.exists(stream):
        return
    for group in client.xinfo_groups(stream):
        name = group["name"].decode()
        pending = client.xpending_range(stream, name, "-", "+", MOST_NAMED) if group["pending"] else []
        names = [f"{p['message_id'].decode()} of {p['consumer'].decode()}" for p in pending]
        yield {"kind": "pending entry", "slot": f"{stream} {name}", "count": group["pending"], "names": names}
        after = "(" + group["last-delivered-id"].decode()  # the server's own lag may be unknown to it
        unread = [entry.decode() for entry, _ in client.xrange(stream, after, "+", MOST_NAMED)]
        yield {"kind": "unread entry", "slot": f"{stream} {name}", "count": len(unread), "names": unread}


def buried(client: redis.Redis) -> list[dict[str, str]]:
    """Every dead letter: its run (or entry) and why."""
    letters = []
    for slot in slots(client):
        for _, fields in client.xrange(slot.dead):
            read = {k.decode(): v.decode("utf-8", "replace") for k, v in fields.items()}
            letters.append({"run": read.get("run", read.get("e:entry", "?")), "error": read.get("error", "")})
    return letters


def ids_on(client: redis.Redis, stream: str) -> Counter[str]:
    """How often each event id stands on a stream."""
    return Counter(fields.get(b"id", b"").decode() for _, fields in client.xrange(stream))


def last_look(client: redis.Redis) -> dict[str, Any]:
    """Everything that the judge needs of the store, as one line of the ledger."""
    keys = Keys()
    jobs = ids_on(client, keys.slot(Job.event_name).stream)
    done = ids_on(client, keys.slot(Done.event_name).stream)
    ticks = {s.name: ids_on(client, s.stream) for s in slots(client) if s.name.startswith("cron/")}
    return {
        "unrest": [what for what in unrest(client) if what["count"]],
        "buried": buried(client),
        "twice": [i for i, n in jobs.items() if n > 1] + [i for i, n in done.items() if n > 1],
        "done": sorted(done),
        "ticks": {name: dict(ids) for name, ids in ticks.items()},
        "leftovers": Leftovers(client).complaints()[:MOST_NAMED],
    }
