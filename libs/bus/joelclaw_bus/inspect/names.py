"""Which event streams there are: those that functions registered, and all others that the store has."""

from __future__ import annotations

from joelclaw_bus.inspect.replies import text
from joelclaw_bus.store import Store
from joelclaw_contracts import NameInvalid, check_name, matches

PAGE, MOST_PAGES = 1000, 500  # a store shared with strangers can hold millions of keys: look at half a million


async def event_names(store: Store, pattern: str = "*") -> list[str]:
    """The names that match, sorted. A companion (`{NAME}:…`) is no event; a registered name may have no entry yet."""
    return (await names_seen(store, pattern))[0]


async def names_seen(store: Store, pattern: str = "*") -> tuple[list[str], bool]:
    """The same, and whether the whole store was looked through: else streams that nobody registered may be missing."""
    registered = await store.call("HKEYS", store.keys.slots)
    found, whole = {text(name) for name in registered}, True
    for node in await store.node_names():
        there, ended = await _streams_of(store, node)
        found, whole = found | there, whole and ended
    return sorted(name for name in found if _is_name(name) and matches(pattern, name)), whole


async def _streams_of(store: Store, node: str) -> tuple[set[str], bool]:
    """One node's streams, and whether that are all: a scan knows nothing of the other nodes."""
    found, cursor = set[str](), b"0"
    for _ in range(MOST_PAGES):
        # A prefix can hold no wildcard, so it is its own pattern.
        cursor, keys = await store.call(
            "SCAN", cursor, "MATCH", f"{store.keys.prefix}*", "COUNT", PAGE, "TYPE", "stream", node=node
        )
        found.update(text(key).removeprefix(store.keys.prefix) for key in keys)
        if text(cursor) == "0":
            return found, True
    return found, False


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except NameInvalid:
        return False
    return True
