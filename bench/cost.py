"""What a run costs: the processor's time in the worker and in the store, round trips, scripts and commands.

    python -m bench.cost [--runs 6000] [--rounds 3] [--functions ROW]

The first rows of `make bench`, counted rather than timed: on a busy machine a figure a second says little, and what a
run takes of a processor stays nearly what it is. Of the rounds the cheapest counts. `--functions`: instead, where the
worker's time goes in one row, function by function.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import anyio

from bench import bus_rows
from bench.on_bus import ThisBus
from bench.own_store import OwnStore, own_store
from bench.peers import probe
from joelclaw_pod import collector

Began = Callable[[], None]


@dataclass(frozen=True)
class Row:
    """Its play in this process, how many times fewer runs it makes, and how many of them at once."""

    play: Callable[[probe.Bus, probe.Ask, Began], Awaitable[probe.Answer]]
    fewer: int
    parallel: int


ROWS = {
    "raw": Row(bus_rows.raw, 1, 1),
    "drained": Row(probe.drained, 1, 128),
    "steps": Row(probe.drained, 3, 32),
}


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

    def __init__(self, store: OwnStore, profile: cProfile.Profile | None) -> None:
        self.store, self.profile = store, profile

    def begin(self) -> None:
        self.store.client.config_resetstat()
        self.began, self.store_began = time.process_time(), self.store.cpu_seconds()
        if self.profile:
            self.profile.enable()

    def read(self, runs: int) -> Cost:
        if self.profile:
            self.profile.disable()
        worker, stats = time.process_time() - self.began, self.store.client.info("commandstats")
        store = self.store.cpu_seconds() - self.store_began
        scripts: list[Any] = [stats[k] for k in ("cmdstat_evalsha", "cmdstat_eval") if k in stats]
        return Cost(
            worker_us=round(worker / runs * 1e6, 1),
            store_us=round(store / runs * 1e6, 1),
            scripts=round(sum(s["calls"] for s in scripts) / runs, 3),
            script_us=round(sum(s["usec"] for s in scripts) / runs, 1),
            reads=round(stats["cmdstat_xreadgroup"]["calls"] / runs, 3),
            commands=round(sum(s["calls"] for s in stats.values()) / runs, 1),
        )


def measure(name: str, runs: int, rounds: int, profile: cProfile.Profile | None = None) -> Cost:
    row, costs = ROWS[name], list[Cost]()
    with own_store() as store:
        ask = probe.Ask(name, store.url, runs // row.fewer, row.parallel, lease=15.0)
        for _ in range(rounds):
            store.empty()
            meter = Meter(store, profile)

            async def play(began: Began = meter.begin) -> None:
                bus = ThisBus(ask)
                await bus.open()
                await row.play(bus, ask, began)
                await bus.close()

            anyio.run(play)
            costs.append(meter.read(ask.count))
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
