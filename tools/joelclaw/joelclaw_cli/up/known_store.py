"""Whether a store is the one that this state directory knew: one that was emptied can't say so itself.

The store bears an id that the first `joelclaw up` gave it; the state directory remembers the id of each store, and when
it last saw it. A store without its id, or with another's, is not what it was.
"""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress
from pathlib import Path

from joelclaw_bus.address import without_secret
from joelclaw_bus.errors import StoreRefused
from joelclaw_bus.state_directory import write_atomically
from joelclaw_bus.store import Store

FILE = "known-stores.json"


async def recognise(store: Store, url: str, state: Path) -> str:
    """Mark the store, and remember it; what was lost in a sentence, '' when it is as it was left, or new here.

    A store that takes no write (full, read-only) and has no id is not judged: the suite tells that trouble itself.
    """
    name, now = f"{without_secret(url)} {store.keys.prefix}".strip(), int(time.time())
    new = secrets.token_hex(16)
    with suppress(StoreRefused):
        await store.call("SET", store.keys.identity, new, "NX")
    raw = await store.call("GET", store.keys.identity)
    if raw is None:
        return ""
    there, known = raw.decode("utf-8", "replace"), _known(state)
    before = known.get(name)
    known[name] = (there, now)
    rows = {name: {"id": id_, "seen": seen} for name, (id_, seen) in known.items()}
    write_atomically(state / FILE, json.dumps(rows, indent=1))
    if before is None or before[0] == there:
        return ""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(before[1]))
    what = "has lost all it held" if there == new else "is not the one that was here"
    return f"{what}: this state directory last knew it at {since}; events, runs and incidents of then are gone"


def _known(state: Path) -> dict[str, tuple[str, int]]:
    """(id, when it was last seen) by store; nothing where it can't be read: then all stores are new here."""
    try:
        told = json.loads((state / FILE).read_text("utf-8"))
        return {name: (str(row["id"]), int(row["seen"])) for name, row in told.items()}
    except (OSError, ValueError, AttributeError, TypeError, LookupError, RecursionError):
        return {}
