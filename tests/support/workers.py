"""A worker in the test's own process, stopped at the end of the block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio

from joelclaw_bus import Functions, Limits, Store, Worker, WorkerSettings
from joelclaw_bus.keys import Slot
from tests.support.seen import Seen

QUICK = WorkerSettings(lease_ms=2_000, block=0.5, fallback_ms=500, chores=0.5)


@asynccontextmanager
async def working(
    store: Store,
    functions: Functions,
    *,
    limits: Limits = Limits(),
    also: tuple[Slot, ...] = (),
    seen: Seen | None = None,
    **settings: float,
) -> AsyncIterator[Seen]:
    """Runs a worker; gives the observer that sees what happens."""
    seen = seen or Seen()
    worker = Worker(store, functions, replace(QUICK, **settings), limits, seen, also)  # type: ignore[arg-type]  # plain numbers
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            await worker.run(stop=stop, grace=5)

        tasks.start_soon(run)
        try:
            yield seen
        finally:
            stop.set()
