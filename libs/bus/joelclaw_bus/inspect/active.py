"""What runs at this moment: deliveries in somebody's hands whose lease has not run out.

The pending list is the lease. An entry that nobody renewed for a lease is a ghost's, and no run.
"""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_bus.errors import GroupMissing, StoreRefused
from joelclaw_bus.inspect.names import event_names
from joelclaw_bus.inspect.replies import pairs, sound, text
from joelclaw_bus.run_names import parts_of_consumer
from joelclaw_bus.store import Command, Store

MOST = 1000  # a group, a stream


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """One delivery in hand. `host`, `pid`: of the process that holds it; idle_ms: since it was last renewed."""

    function: str
    event: str
    entry: str
    consumer: str
    host: str
    pid: int
    idle_ms: int


async def active_runs(store: Store, *, lease_ms: int) -> list[ActiveRun]:
    """All of them, at most 1,000 a group. lease_ms: how long a renewal counts, the deployment's lease."""
    slots = [store.keys.slot(name) for name in await event_names(store)]
    groups = await store.calls(("XINFO", "GROUPS", slot.stream) for slot in slots)
    asked: list[tuple[str, str, Command]] = []
    for slot, rows in zip(slots, groups, strict=True):
        if isinstance(rows, StoreRefused) and "no such key" in str(rows):
            continue  # registered, but nothing was ever written
        for function in (pairs(row)["name"] for row in sound(rows)):
            for stream in (slot.stream, slot.ready(function)):
                asked.append((function, slot.name, ("XPENDING", stream, function, "-", "+", MOST)))
    found = []
    replies = await store.calls(command for _, _, command in asked)
    for (function, event, _), rows in zip(asked, replies, strict=True):
        if isinstance(rows, GroupMissing):
            continue  # nothing was ever ready for it
        for entry, consumer, idle, _count in sound(rows):
            if int(idle) < lease_ms:
                host, pid = parts_of_consumer(text(consumer))
                found.append(ActiveRun(function, event, text(entry), text(consumer), host, pid, int(idle)))
    return found
