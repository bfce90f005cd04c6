"""What the durability levels cost: acknowledged sends a second at each, as a ratio to `memory`.

    python -m bench.durability [--seconds 3]

One primary with two replicas behind sentinels on this machine, append-only file on: a sync a second, and at `local`
each write; senders at once: 1 and 16. The ratios are what to read: they hold on a noisy machine, the absolute figures
do not.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import ClassVar

import anyio
from tests.support.replicated import Sentinels

from joelclaw_bus import Publisher, StoreSettings, open_store
from joelclaw_bus.durability import Durability
from joelclaw_contracts import EventModel


class Load(EventModel):
    event_name: ClassVar[str] = "bench/load"

    n: int


async def measure(url: str, level: Durability, senders: int, seconds: float) -> float:
    """Acknowledged sends a second."""
    done = 0
    async with open_store(StoreSettings(url, durability=level, connections=senders)) as store:
        publisher = Publisher(store)
        await publisher.send(Load(n=0))
        end = time.monotonic() + seconds

        async def send() -> None:
            nonlocal done
            while time.monotonic() < end:
                await publisher.send(Load(n=done))
                done += 1

        async with anyio.create_task_group() as tasks:
            for _ in range(senders):
                tasks.start_soon(send)
    return done / seconds


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, default=3.0)
    seconds = asked.parse_args().seconds
    with tempfile.TemporaryDirectory() as directory:
        servers = Sentinels(Path(directory))
        try:
            servers.start()
            for senders in (1, 16):
                rates = {}
                for level in Durability:
                    with servers.primary().client() as client:
                        client.config_set("appendfsync", "always" if level is Durability.LOCAL else "everysec")
                    rates[level] = anyio.run(measure, servers.url, level, senders, seconds)
                base = rates[Durability.MEMORY]
                row = "  ".join(f"{level} {rate:.0f}/s (1:{base / rate:.1f})" for level, rate in rates.items())
                print(f"senders {senders:>2}  {row}", flush=True)
        finally:
            servers.stop()


if __name__ == "__main__":
    main()
