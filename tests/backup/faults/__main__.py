"""`python -m tests.backup.faults [--kills N] [NAME…]`: the table of faults; exit code 1 on any miss."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import anyio

from tests.backup.conftest import AT_ONCE
from tests.backup.faults.bench import Bench
from tests.backup.faults.kills import kill_at_random_points
from tests.backup.faults.ssh_kills import kill_over_ssh
from tests.backup.faults.table import FAULTS, Fault, NotHere
from tests.support.server import Server

LINE = "{:<36} {:<10} {:<20} {:>7}  {}"


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--kills", type=int, default=200)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("names", nargs="*")
    words = asked.parse_args()
    print(LINE.format("fault", "outcome", "class", "seconds", ""))
    missed = sum(_row(fault) for fault in FAULTS if not words.names or any(n in fault.name for n in words.names))
    if words.kills:
        missed += _kills(words.kills, words.seed) + _ssh_kills(words.kills, words.seed)
    print(f"{missed} missed" if missed else "none missed")
    return 1 if missed else 0


def _row(fault: Fault) -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        source = Server(Path(folder) / "source", aof=False, options=AT_ONCE).start()
        try:
            results = set(anyio.run(fault.do, Bench(source, Path(folder) / "bench")))
        except NotHere as why:
            print(LINE.format(fault.name, "not tried", str(why), "", ""))
            return 0
        finally:
            source.stop()
    took = f"{time.monotonic() - began:.1f}"
    for outcome, kind in sorted(results | fault.wanted):
        seen, wanted = (outcome, kind) in results, (outcome, kind) in fault.wanted
        verdict = "" if seen and wanted else "MISSED: not wanted" if seen else "MISSED: never seen"
        print(LINE.format(fault.name, outcome, kind, took, verdict), flush=True)
    return len(results ^ fault.wanted)


def _kills(count: int, seed: int) -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        source = Server(Path(folder) / "source", aof=False, options=AT_ONCE).start()
        try:
            told = kill_at_random_points(Bench(source, Path(folder) / "bench"), count, seed)
        finally:
            source.stop()
    took = f"{time.monotonic() - began:.1f}"
    name = f"kill -9 at {count} random points"
    print(LINE.format(name, "stored", f"{told.stored} had ended", took, f"killed in: {told.where}"), flush=True)
    for wrong in told.misses:
        print(LINE.format(name, "miss", wrong, took, "MISSED"))
    return len(told.misses)


def _ssh_kills(count: int, seed: int) -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        source = Server(Path(folder) / "source", aof=False, options=AT_ONCE).start()
        try:
            told = kill_over_ssh(Bench(source, Path(folder) / "bench"), count, seed)
        finally:
            source.stop()
    took = f"{time.monotonic() - began:.1f}"
    name = f"kill -9 at {told.kills} points over SSH"
    again = f"{told.resent:,} of {told.there:,} bytes that were there were sent again"
    print(LINE.format(name, "stored", f"{told.ended} came to an end", took, again), flush=True)
    wrong = told.misses + ([again] if told.resent > 0.1 * told.there else [])
    for miss in wrong:
        print(LINE.format(name, "miss", miss, took, "MISSED"))
    return len(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
