"""The row `storm`: so many events due at once, and how long a ping of the store takes meanwhile (tests/faults/storm).

Beside it the worst ping of an idle store at the same time (the machine's own share), what the server says of its
scripts, and the worst ping during a rewrite of the append-only file, which is no doing of the promotions.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.batches import open_batched
from tests.faults.storm import storm as storm_of
from tests.faults.storm import word_of
from tests.support.pinger import Pinger
from tests.support.server import Server

from bench.peers import probe
from joelclaw_bus import StoreSettings


async def storm(bus: probe.Bus, ask: probe.Ask) -> probe.Answer:
    port = urlsplit(ask.url).port or 0
    with tempfile.TemporaryDirectory(prefix="joelclaw-bench-") as folder:
        idle = Server(Path(folder) / "idle", aof=False).start()
        try:
            async with open_batched(StoreSettings(ask.url, deadline=60)) as store:
                seen = await storm_of(store, port, ask.count, calm=1, idle_port=idle.port)
                word = await word_of(store)
                with Pinger(port) as during:
                    await store.call("BGREWRITEAOF")
                    while b"aof_rewrite_in_progress:1" in await store.call("INFO", "persistence"):  # noqa: ASYNC110 - the store tells nobody
                        await asyncio.sleep(0.05)
        finally:
            idle.stop()
    return {
        "worst_ping_ms": seen.storm_ping_ms,
        "idle_store_ping_ms": seen.idle_ping_ms,
        "scripts_999_ms": word.most,
        "fresh_p99_ms": seen.p99_ms,
        "rewrite_ping_ms": during.worst_ms,
        "count": ask.count,
        "lost": max(0, ask.count - seen.appended),
        "doubled": max(0, seen.appended - ask.count),
    }
