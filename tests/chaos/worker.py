"""One worker process: `python -m tests.chaos.worker URL LEDGER LEASE_MS OFFSET_SECONDS SCHEDULES`.

OFFSET_SECONDS puts this process's wall clock off. SCHEDULES 0: it serves the runs; else it is one of the schedulers of
so many, or, below 0, one that handles their ticks and makes no new ones. Which build of the bus it is was decided by
whoever set its path.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from pathlib import Path

import anyio

import joelclaw_bus
from joelclaw_bus import StoreSettings, Worker, WorkerSettings, open_store
from tests.chaos import load, tap
from tests.chaos.ledger import Ledger


def record_format() -> int:
    """The format of the records that this build writes."""
    text = (Path(joelclaw_bus.__file__).parent / "lua" / "lib" / "record.lua").read_text()
    found = re.search(r"RECORD_FORMAT = (\d+)", text)
    assert found, "record.lua names no RECORD_FORMAT"
    return int(found[1])


def set_wall_clock_off(seconds: float) -> None:
    """What a machine with a wrong clock shows this process: `time.time`, not the monotonic clock."""
    right = time.time
    time.time = lambda: right() + seconds


async def main(url: str, path: Path, lease_ms: int, schedules: int) -> None:
    ledger = Ledger(path)
    tap.install(ledger)
    form = record_format()
    if schedules:
        functions = load.ticking(ledger, abs(schedules), every=load.EACH_SECOND if schedules > 0 else load.RARELY)
    else:
        functions = load.working(ledger, newer=form > 1)
    settings = WorkerSettings(lease_ms=lease_ms, block=0.5, parallel=16, chores=5.0, watchdog=True)
    stop = anyio.Event()
    async with open_store(StoreSettings(url, deadline=2.0)) as store, anyio.create_task_group() as tasks:

        async def on_signal() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                async for _ in signals:
                    stop.set()
                    return

        tasks.start_soon(on_signal)
        ledger.write("up", build=form)
        await Worker(store, functions, settings, observer=tap.Telling(ledger)).run(stop=stop, grace=3.0)
        tasks.cancel_scope.cancel()
    ledger.write("down")


if __name__ == "__main__":
    set_wall_clock_off(float(sys.argv[4]))
    anyio.run(main, sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[5]))
