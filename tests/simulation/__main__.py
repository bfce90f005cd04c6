"""Many seeds, or one again: `python -m tests.simulation [--seeds N] [--first N] [--seed N] [--jobs N]`.

Prints each broken promise with its seed, and ends with 1 when there was one.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.faked import FakedServer
from tests.simulation.simulate import Played, play

AT_ONCE = 25


def play_many(seeds: range, *, trace: bool = False) -> list[Played]:
    """Histories one after the other, on one server."""
    gc.collect()
    gc.freeze()
    played = []
    with FakedServer() as server:
        for seed in seeds:
            played.append(play(seed, server, trace=trace))
            if seed % 20 == 0:
                gc.collect()
    return played


def main() -> None:
    options = argparse.ArgumentParser("python -m tests.simulation", description="Play seeds against the real scripts.")
    options.add_argument("--seeds", type=int, default=1000)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--seed", type=int, help="play this one, and print its trace")
    options.add_argument("--jobs", type=int, default=2)
    said = options.parse_args()
    if said.seed is not None:
        (one,) = play_many(range(said.seed, said.seed + 1), trace=True)
        print("\n".join([*one.trace, f"seed {one.seed}: {one.calls} calls, history {one.digest}", *one.broken]))
        sys.exit(1 if one.broken else 0)
    began = time.monotonic()
    parts = [
        range(n, min(n + AT_ONCE, said.first + said.seeds)) for n in range(said.first, said.first + said.seeds, AT_ONCE)
    ]
    broken, counts, calls = 0, Counter[str](), 0
    with ProcessPoolExecutor(said.jobs) as pool:
        for part in pool.map(play_many, parts):
            for one in part:
                counts += one.counts
                calls += one.calls
                if one.broken:
                    broken += 1
                    print(f"seed {one.seed} (make simulate SEED={one.seed}):", *one.broken[:5], sep="\n  ", flush=True)
    took = time.monotonic() - began
    print(f"{said.seeds} histories, {calls:,} calls, {took:.1f} s, {said.seeds / took:.1f} a second; {broken} broken")
    print(json.dumps(dict(sorted(counts.items()))))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
