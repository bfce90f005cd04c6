"""What a run costs: the processor's time in the worker and in the store, round trips, scripts and commands.

    python -m bench.cost [--runs 6000] [--rounds 3] [--functions ROW]

The same rows as `bench.quick`, counted rather than timed: on a busy machine a figure a second says little, and what a
run takes of a processor stays nearly what it is. Of the rounds the cheapest counts. `--functions`: instead, where the
worker's time goes in one row, function by function.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anyio
import redis

from bench import quick
from joelclaw_bus.embedded import EmbeddedSettings, EmbeddedStore
from joelclaw_bus.store import Store
from joelclaw_pod import collector

ROWS: dict[str, tuple[Callable[[str, int], Awaitable[float]], int]] = {
    "raw": (quick.raw, 1),
    "runs without steps": (quick.without_steps, 1),
    "runs of three steps": (quick.three_steps, 3),
}
"""Each with how many times fewer runs it makes."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run: µs of processor time in the worker and the store; calls; `commands` counts those of scripts too."""

    worker_us: float
    store_us: float
    scripts: float
    script_us: float
    reads: float
    commands: float


class Meter:
    """Begins to count when the events lie there: sending them is no part of a run."""

    def __init__(self, client: Any, profile: cProfile.Profile | None) -> None:
        self.client, self.profile = client, profile

    async def fill(self, store: Store, runs: int) -> None:
        await _fill(store, runs)
        self.client.config_resetstat()
        self.began, self.store_began = time.process_time(), self._store_seconds()
        if self.profile:
            self.profile.enable()

    def read(self, runs: int) -> Cost:
        if self.profile:
            self.profile.disable()
        worker, stats = time.process_time() - self.began, self.client.info("commandstats")
        store = self._store_seconds() - self.store_began
        scripts: list[Any] = [stats[k] for k in ("cmdstat_evalsha", "cmdstat_eval") if k in stats]
        return Cost(
            worker_us=round(worker / runs * 1e6, 1),
            store_us=round(store / runs * 1e6, 1),
            scripts=round(sum(s["calls"] for s in scripts) / runs, 3),
            script_us=round(sum(s["usec"] for s in scripts) / runs, 1),
            reads=round(stats["cmdstat_xreadgroup"]["calls"] / runs, 3),
            commands=round(sum(s["calls"] for s in stats.values()) / runs, 1),
        )

    def _store_seconds(self) -> float:
        cpu = self.client.info("cpu")
        return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])


_fill = quick.fill


def measure(row: str, runs: int, rounds: int, profile: cProfile.Profile | None = None) -> Cost:
    play, fewer = ROWS[row]
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory(prefix="joelclaw-bench-") as folder:
        store = EmbeddedStore(EmbeddedSettings(Path(folder), port=0))
        store.start()
        try:
            with redis.Redis.from_url(store.url) as client:
                for _ in range(rounds):
                    client.flushall()  # a server of our own, in a folder of our own
                    meter = Meter(client, profile)
                    quick.fill = meter.fill
                    anyio.run(play, store.url, runs)
                    costs.append(meter.read(runs // fewer))
        finally:
            quick.fill = _fill
            store.stop()
    return min(costs, key=lambda cost: cost.worker_us)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=6_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--functions", choices=sorted(ROWS))
    given = parser.parse_args()
    collector.calm()  # as a service does
    if given.functions:
        profile = cProfile.Profile(time.thread_time)  # others on this machine are no part of it
        measure(given.functions, given.runs, 1, profile)
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
        return
    names = ("worker µs", "store µs", "scripts", "their µs", "reads", "commands")
    print(f"{'a run':<20}" + "".join(f" {name:>10}" for name in names))
    costs = {row: measure(row, given.runs, given.rounds) for row in ROWS}
    for row, c in costs.items():
        print(f"{row:<20}" + "".join(f" {figure:>10}" for figure in asdict(c).values()))
    print()
    for row, c in costs.items():
        print(json.dumps({"row": row, **asdict(c)}))


if __name__ == "__main__":
    main()
