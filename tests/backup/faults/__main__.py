"""`python -m tests.backup.faults [--kills N] [NAME…]`: the table of faults; exit code 1 on any miss."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio

from tests.backup.conftest import AT_ONCE
from tests.backup.faults.bench import GIVEN_UP, Bench
from tests.backup.faults.campaigns import CAMPAIGNS, Campaign, about
from tests.backup.faults.table import FAULTS, Fault, NotHere
from tests.support.server import Server

LINE = "{:<36} {:<10} {:<20} {:>7}  {}"
LANES = 2
"""So many campaigns at once: most of their time they wait."""


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--kills", type=int, default=200, help="of each campaign")
    asked.add_argument("--minutes", type=float, default=45.0, help="for all campaigns; then they are given up, a miss")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("names", nargs="*", help="only rows whose name has one of these in it")
    words = asked.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # as Ctrl-C: by way of every `finally`
    began = time.monotonic()

    def wanted(name: str) -> bool:
        return not words.names or any(word in name for word in words.names)

    print(LINE.format("fault", "outcome", "class", "seconds", ""))
    missed = sum(_row(fault) for fault in FAULTS if wanted(fault.name))
    campaigns = [c for c in CAMPAIGNS if words.kills and wanted(c.name)]
    until = time.monotonic() + words.minutes * 60
    with ThreadPoolExecutor(LANES) as lanes:
        try:
            missed += sum(lanes.map(lambda campaign: _kills(campaign, words.kills, words.seed, until), campaigns))
        except BaseException:  # whoever ends it: the lanes leave nothing behind, and it goes on
            GIVEN_UP.set()
            lanes.shutdown(wait=False, cancel_futures=True)
            raise
    print(f"{f'{missed} missed' if missed else 'none missed'} in {time.monotonic() - began:.0f} s")
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


def _kills(campaign: Campaign, count: int, seed: int, until: float) -> int:
    began = time.monotonic()
    try:
        told = campaign.run(count, seed, until)
        misses, kills, came = told.misses, told.kills, about(told)
    except Exception as error:  # whatever broke it: the other rows are told, and this one is a miss
        misses, kills, came = [f"it broke off: {type(error).__name__}: {error}"], 0, ""
    name, took = f"kill -9: {campaign.name}", f"{time.monotonic() - began:.1f}"
    print(LINE.format(name, f"{kills} kills", "missed" if misses else "", took, came), flush=True)
    for wrong in misses:
        print(LINE.format(name, "miss", "", took, f"MISSED: {wrong}"), flush=True)
    return len(misses)


if __name__ == "__main__":
    raise SystemExit(main())
