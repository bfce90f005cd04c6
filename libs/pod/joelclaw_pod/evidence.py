"""Evidence: what happened, as OTEL records on the stream `otel/event`, for `joelclaw otel search` and for people.

`emit` only encodes and queues; a task writes batches in the background. The limits, and what happens at each:

| limit                                          | beyond it                                                        |
|------------------------------------------------|------------------------------------------------------------------|
| 5 of one error fingerprint a minute            | counted; one summary a minute (`error_limit.py`)                 |
| 10,000 records or 16 MiB waiting for the store | new ones are counted, and `evidence.dropped` says so once back   |
| 4 KiB of error text, 16 KiB a record           | cut, and marked as cut                                           |
| about 100,000 records on the stream            | the server trims the oldest                                      |

The first ones of an outage are kept, not the last: they tell how it began. A lost reply repeats its batch: readers go
by `id`. `success=false` is for what should page; degraded but not critical is `level=warn, success=true`.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio

from joelclaw_bus.errors import BusError
from joelclaw_bus.store import Command, Store
from joelclaw_contracts import Envelope, Level, OtelEvent
from joelclaw_pod.error_limit import ErrorLimit, error_class
from joelclaw_pod.otel_record import RECORD_BYTES, otel_record
from joelclaw_pod.wake import Wake

log = logging.getLogger(__name__)

BATCH = 100
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between tries while the store is away


@dataclass(eq=False)
class Evidence:
    """The sink of one process. `spool`, `spool_bytes`: what may wait; `length`: the stream's approximate bound."""

    store: Store
    source: str
    system_id: str
    on_drop: Callable[[int], None] = lambda count: None
    spool: int = 10_000
    spool_bytes: int = 16 * 1024 * 1024
    length: int = 100_000
    limit: ErrorLimit = field(default_factory=ErrorLimit)
    clock: Callable[[], float] = time.monotonic
    session_id: str = field(default_factory=lambda: f"{os.getpid()}-{secrets.token_hex(4)}")
    _waiting: deque[Envelope] = field(default_factory=deque, init=False)
    _bytes: int = field(default=0, init=False)
    _dropped: int = field(default=0, init=False)
    _wake: Wake = field(default_factory=Wake, init=False)
    _threads: threading.RLock = field(default_factory=threading.RLock, init=False)
    _writing: anyio.Lock = field(default_factory=anyio.Lock, init=False)

    def emit(
        self,
        level: Level,
        component: str,
        action: str,
        success: bool,
        *,
        duration_ms: float | None = None,
        error: str | BaseException | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Note one record. Never blocks, never raises; any thread may call it."""
        if error is not None or level in ("error", "fatal"):
            fingerprint = (component, action, error_class(error or ""))
            with self._threads:
                if not self.limit.allows(fingerprint, self.clock()):
                    return
        self._queue(level, component, action, success, duration_ms, error, metadata)

    async def run(self) -> None:
        """Write what is emitted, until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self.write()
                pause = FIRST_PAUSE
            except BusError as error:
                log.debug("evidence waits: %s", error)
                await anyio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                await self._wake.wait(1.0)

    async def write(self) -> None:
        """Write all that waits. A BusError leaves the rest waiting."""
        async with self._writing:
            self._summarise(all_of_them=False)
            while self._waiting:
                await self._write_batch()
                self._tell_of_drops()

    async def flush(self, timeout: float) -> bool:
        """Write all, open summaries too, for at most `timeout` seconds: for the end. False: some is lost."""
        self._summarise(all_of_them=True)
        with anyio.move_on_after(timeout):
            try:
                await self.write()
            except BusError as error:
                log.warning("evidence could not be written at the end: %s", error, extra={"lost": len(self._waiting)})
        return not self._waiting

    async def _write_batch(self) -> None:
        batch = [self._waiting[i] for i in range(min(BATCH, len(self._waiting)))]
        replies = await self.store.calls([self._command(entry) for entry in batch])
        # In order up to the first refusal: what comes after it is written again, and readers go by id.
        for entry, reply in zip(batch, replies, strict=True):
            if isinstance(reply, BusError):
                raise reply
            with self._threads:
                self._waiting.popleft()
                self._bytes -= len(entry.data)

    def _command(self, entry: Envelope) -> Command:
        key = self.store.keys.slot(OtelEvent.event_name).stream
        fields = [part for pair in entry.to_fields().items() for part in pair]
        return ("XADD", key, "MAXLEN", "~", self.length, "*", *fields)

    def _queue(
        self,
        level: Level,
        component: str,
        action: str,
        success: bool,
        duration_ms: float | None,
        error: str | BaseException | None,
        metadata: Mapping[str, object] | None,
    ) -> None:
        record_id, timestamp = secrets.token_hex(16), time.time_ns() // 1_000_000
        data = otel_record(
            id=record_id,
            timestamp=timestamp,
            session_id=self.session_id,
            system_id=self.system_id,
            source=self.source,
            level=level,
            component=component,
            action=action,
            success=success,
            duration_ms=duration_ms,
            error=error,
            metadata=metadata,
        )
        with self._threads:
            if len(self._waiting) >= self.spool or self._bytes + len(data) > self.spool_bytes:
                self._dropped += 1
                self.on_drop(1)
                return
            self._waiting.append(Envelope(data, id=record_id, ts=timestamp, source=self.source))
            self._bytes += len(data)
        self._wake.set()

    def _tell_of_drops(self) -> None:
        room = len(self._waiting) < self.spool and self._bytes + RECORD_BYTES < self.spool_bytes
        if self._dropped and room:
            with self._threads:
                count, self._dropped = self._dropped, 0
            text = f"{count} records were dropped while the store was away"
            self._note("evidence", "evidence.dropped", text, {"dropped": count})

    def _summarise(self, *, all_of_them: bool) -> None:
        with self._threads:
            summaries = self.limit.summaries(self.clock(), all_of_them=all_of_them)
        for summary in summaries:
            component, action, kind = summary.fingerprint
            metadata = {"repeated": summary.count, "seconds": round(summary.until - summary.since, 3), "of": kind}
            text = f"{kind}: {summary.count} more of these were held back"
            self._note(component, action, text, metadata)

    def _note(self, component: str, action: str, error: str, metadata: Mapping[str, object]) -> None:
        """One of the sink's own: warn, and success, for whatever was to page did so already."""
        self._queue("warn", component, action, True, None, error, metadata)
