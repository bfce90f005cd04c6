"""Which event streams there are: those that functions registered, and all others that the store has."""

from __future__ import annotations

from joelclaw_bus.inspect.replies import text
from joelclaw_bus.store import Store
from joelclaw_contracts import NameInvalid, check_name, matches

PAGE, MOST_PAGES = 1000, 500  # a store shared with strangers can hold millions of keys: look at half a million


async def event_names(store: Store, pattern: str = "*") -> list[str]:
    """The names that match, sorted. A companion (`{NAME}:…`) is no event; a registered name may have no entry yet."""
    registered = await store.call("HKEYS", store.keys.slots)
    found = {text(name) for name in registered}
    for node in await store.node_names():
        found |= await _streams_of(store, node)
    return sorted(name for name in found if _is_name(name) and matches(pattern, name))


async def _streams_of(store: Store, node: str) -> set[str]:
    """One node's streams: a scan knows nothing of the others."""
    found, cursor = set[str](), b"0"
    for _ in range(MOST_PAGES):
        # A prefix can hold no wildcard, so it is its own pattern.
        cursor, keys = await store.call(
            "SCAN", cursor, "MATCH", f"{store.keys.prefix}*", "COUNT", PAGE, "TYPE", "stream", node=node
        )
        found.update(text(key).removeprefix(store.keys.prefix) for key in keys)
        if text(cursor) == "0":
            break
    return found


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except NameInvalid:
        return False
    return True
