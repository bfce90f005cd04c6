"""What waits for its time: parked runs and delayed events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from joelclaw_bus.inspect.names import event_names
from joelclaw_bus.inspect.replies import pairs, parsed, sound, text
from joelclaw_bus.store import Store
from joelclaw_contracts import strict_json


@dataclass(frozen=True, slots=True)
class Due:
    """`kind`: `run` (then `id` is a run's) or `event` (then `data` is what will be sent). Times by the server."""

    kind: str
    event: str
    id: str
    due_ms: int
    data: Any


async def list_due(store: Store, *, pattern: str = "*", limit: int = 50) -> list[Due]:
    """The earliest first."""
    found: list[Due] = []
    for name in await event_names(store, pattern):
        slot = store.keys.slot(name)
        rows = pairs(await store.call("ZRANGE", slot.due, 0, limit - 1, "WITHSCORES"))
        bodies = await store.calls(("HGET", slot.due_items, member[2:]) for member in rows)
        for (member, at), body in zip(rows.items(), bodies, strict=True):
            kind = "run" if member.startswith("r:") else "event"
            found.append(Due(kind, name, member[2:], int(float(at)), _data(sound(body))))
    return sorted(found, key=lambda due: due.due_ms)[:limit]


def _data(body: bytes | None) -> Any:
    """A delayed event's payload, out of its entry's fields."""
    if body is None:
        return None
    try:
        return parsed(pairs(strict_json.loads(body)).get("data", ""))
    except (ValueError, TypeError):
        return text(body)
