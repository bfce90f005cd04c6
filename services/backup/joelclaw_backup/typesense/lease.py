"""One snapshot call in flight at a server, whoever asks: two at once make it lie, hang, and ignore SIGTERM.

The lease lies in the bus's store, `{backup/typesense}:lease:<hash of the address>`, and expires. It outlives its
holder: a call that nobody hears any more may be at work still, so its lease stands until the call could have ended. The
fence grows with every holder: who was overtaken can end nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_bus import Store, load_script

SLOT = "backup/typesense"
REMEMBERED_MS = 7 * 86_400_000
MARGIN_MS = 60_000
SETTLE_MS = 3_000
"""So long a server is left alone after an answer: called again at once, 0.24.1 hung with an empty queue (seen)."""
UNANSWERED_MS = 900_000
"""So long a server that fell silent is left alone after the call was given up."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Held by us, as number `fence` of that server."""

    store: Store
    key: str
    owner: str
    fence: int

    async def end(self, more_ms: int = 0, why: str = "") -> bool:
        """False: another holds it by now."""
        words = [self.owner, str(self.fence), str(more_ms), why]
        return bool(await self.store.run(load_script("joelclaw_backup", "end_lease"), [self.key], words))


@asynccontextmanager
async def only_call(store: Store, url: str, seconds: float, what: str) -> AsyncIterator[Lease]:
    """While the block lasts, nobody else of this bus calls that server. BackupFailed (resource-unavailable) when
    somebody does. What ends the block without an answer of the server lets the lease stand a while."""
    key = store.keys.slot(SLOT).key("lease", hashlib.sha256(url.encode()).hexdigest()[:16])
    owner = secrets.token_hex(8)
    words = [owner, str(round(seconds * 1000) + MARGIN_MS), what, str(REMEMBERED_MS)]
    answer = await store.run(load_script("joelclaw_backup", "take_lease"), [key], words)
    while not answer[0] and answer[1] <= SETTLE_MS:
        await anyio.sleep(answer[1] / 1000 + 0.01)
        answer = await store.run(load_script("joelclaw_backup", "take_lease"), [key], words)
    if not answer[0]:
        told = f"{(answer[2] or b'').decode('utf-8', 'replace')}; it is left alone for {answer[1] / 1000:.0f} s more"
        raise BackupFailed(FailureClass.RESOURCE_UNAVAILABLE, f"Typesense {url} is busy: {told}")
    lease = Lease(store, key, owner, int(answer[1]))
    try:
        yield lease
    except BaseException as error:
        answered = isinstance(error, BackupFailed) and error.failure_class not in UNANSWERED
        with anyio.CancelScope(shield=True):
            more = SETTLE_MS if answered else UNANSWERED_MS
            await lease.end(more, f"{what} got no answer: {type(error).__name__}")
        raise
    await lease.end(SETTLE_MS, f"{what} was answered just now")


UNANSWERED = (FailureClass.WEDGED, FailureClass.CONNECTION_RESET, FailureClass.TIMEOUT)
"""After these nobody knows whether the call is at work still."""
