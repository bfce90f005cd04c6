"""How fast this bus is, beside its store's raw limit and its peers, in one run: tables, and a line of JSON a figure.

Everybody plays a row once a round, one after the other, in a process of its own, on one Valkey of this run (append-only
file, a sync a second), metrics on; medians of three rounds count. Peers are installed from PyPI, pinned, into
environments of their own on the first run. The ratios are what to read: they hold on a noisy machine.

Ends with 1 when something was lost or doubled, or a row could not be measured. A missed speed is told, and is no fault.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.status import Status

from bench import markdown, tables
from bench.contestants import PEERS, Contestant, NotMeasured, peer, this_bus, version
from bench.figures import Report
from bench.own_store import OwnStore, own_store
from bench.play import play_row
from bench.rows import NAMES, Size, rows

EXAMPLES = """examples:
  # everything: a quarter of an hour on a quiet machine
  python -m bench
  # this bus and the raw limit only, smaller: under a minute
  python -m bench --quick --without-peers --only drained --only steps --only publish
  # one row against the peers; the figures into a file
  python -m bench --only idle --json figures.jsonl
  # everything, and the tables of README.md and docs/performance.md written anew
  python -m bench --json figures.jsonl --markdown
  # the tables again, from a file
  python -m bench.markdown figures.jsonl
"""


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", choices=NAMES, metavar="ROW", help=f"of: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_const", const=Size.QUICK, dest="size", help="smaller sizes")
    parser.add_argument("--least", action="store_const", const=Size.LEAST, dest="size", help="the smallest: a test's")
    parser.add_argument("--rounds", type=int, default=3, help="at most so many of each row (default 3)")
    parser.add_argument("--without-peers", action="store_true", help="this bus and the raw limit only")
    parser.add_argument("--million", action="store_true", help="bytes of a million pending, not of 100,000")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the lines of JSON go here, else to stdout")
    parser.add_argument("--markdown", action="store_true", help="write the tables into the documents")
    parser.set_defaults(size=Size.FULL)
    return parser


def contestants(console: Console, with_peers: bool) -> dict[str, Contestant]:
    present = {"bus": this_bus()}
    for name in PEERS if with_peers else ():
        with console.status(f"the environment of {name}"):
            try:
                present[name] = peer(name)
            except NotMeasured as why:
                console.print(f"without {name}: {why}", style="yellow", highlight=False)
    return present


def machine(store: OwnStore, size: Size, present: dict[str, Contestant]) -> dict[str, object]:
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%d %B %Y"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "store": store.version(),
        "size": size.name,
        "peers": {name: version(name) for name in present if name in PEERS},
    }


def measured(given: argparse.Namespace, console: Console) -> Report:
    present = contestants(console, not given.without_peers)
    asked = [row for row in rows(given.size, given.million) if not given.only or row.name in given.only]
    with own_store() as store:
        report = Report(machine(store, given.size, present))
        # Nothing turns while somebody is measured: the status is drawn when its words change.
        with Status("", console=console, refresh_per_second=0.01) as status:

            def tell(words: str) -> None:
                status.update(words) if console.is_terminal else print(words, file=sys.stderr, flush=True)

            for row in asked:
                report.figures += play_row(row, given.rounds, present, store, tell)
    return report


def main() -> int:
    given = arguments().parse_args()
    console = Console(stderr=given.json is None)  # the lines of JSON have stdout to themselves
    report = measured(given, console)
    tables.show(report, console)
    if given.json:
        given.json.write_text("".join(f"{line}\n" for line in report.lines()))
    else:
        print(*report.lines(), sep="\n")
    if given.markdown:
        console.print(*(f"written: {path}" for path in markdown.write(report)), sep="\n")
    ours = [figure for figure in report.figures if figure.who not in PEERS]
    return 1 if any(figure.error or figure.broken() for figure in ours) else 0


if __name__ == "__main__":
    sys.exit(main())
