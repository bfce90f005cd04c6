"""`python -m tests.chaos [--short] [--seed N] [--keep]`: exit 0 when every figure holds, 1 on any miss."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import judge, ledger, report
from tests.chaos.figures import Figure
from tests.chaos.plan import LONG, SHORT
from tests.chaos.program import Chaos, load_average

LONGEST = 600.0


def main(arguments: list[str]) -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    asked.add_argument("--short", action="store_true", help="about a minute, for CI")
    asked.add_argument("--seed", type=int, help="the plan's; drawn when none is given")
    asked.add_argument("--keep", action="store_true", help="keep the ledger though nothing was missed")
    options = asked.parse_args(arguments)
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    sizes = SHORT if options.short else LONG
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    began = time.monotonic()
    print(f"chaos: seed {seed}, ledger in {directory}, store {'append-only, appendfsync always'}", flush=True)
    Chaos(directory, sizes, seed, lambda text: print(f"chaos: {text}", flush=True)).run()
    lines, torn = ledger.read(directory / "ledger")
    figures = judge.judge(lines, sizes)
    figures.append(Figure("wall time", round(time.monotonic() - began), LONGEST, unit="s"))
    remarks = [*judge.remarks(lines, sizes), f"ledger: {len(lines)} lines, {torn} torn by kills", load_average()]
    print("\n".join([*report.lines_of(figures), *remarks]), flush=True)
    missed = [f for f in figures if not f.ok]
    if missed or options.keep:
        print("\n".join(report.where_to_look(directory, seed)))
    else:
        shutil.rmtree(directory)
    print(f"chaos: {'MISS: ' + '; '.join(f.name for f in missed) if missed else 'ok'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
