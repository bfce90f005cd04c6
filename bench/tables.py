"""The report for people: a table of what was to be reached, one of everybody's figures, and what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.contestants import PEERS
from bench.figures import Figure, Report
from bench.reaches import PER_SECOND, REACHES, Verdict

REACH_HEAD = ("what", "reach", "measured", "")
PEERS_HEAD = (
    "",
    "runs drained",
    "idle p50 / p99",
    "due, late p50 / p99",
    "due at once, last",
    "interrupted, again after",
)
STYLES = {Verdict.MET: "green", Verdict.MISSED: "red", Verdict.UNMEASURED: "yellow"}


def reach_rows(report: Report) -> list[tuple[str, str, str, Verdict]]:
    """Rows that were not asked for are left out."""
    asked = {f.row for f in report.figures}
    return [(r.title(report), r.claim, r.shown(report), r.verdict(report)) for r in REACHES if r.row in asked]


def peer_rows(report: Report) -> list[tuple[str, ...]]:
    """The bus first; empty where nobody else took part."""
    versions = report.machine["peers"]
    if not versions:
        return []

    def cell(who: str, row: str, whats: Sequence[str], form: str) -> str:
        values = [report.value(row, who, what) for what in whats]
        return " / ".join(form.format(v) for v in values if v is not None) or "–"

    def line(who: str, name: str) -> tuple[str, ...]:
        late = ("p50_ms", "p99_ms")
        return (
            name,
            cell(who, "drained", ["per_second"], PER_SECOND),
            cell(who, "idle", late, "{:,.1f}") + " ms",
            cell(who, "due", late, "{:,.1f}") + " ms",
            cell(who, "instant", ["last_ms"], "{:,.0f} ms"),
            cell(who, "interrupted", ["again_s"], "{:.1f} s"),
        )

    lines = [line("bus", "this bus"), *(line(name, versions[name]) for name in PEERS if name in versions)]
    return [tuple("–" if cell == "– ms" else cell for cell in each) for each in lines]


def asides(report: Report) -> list[str]:
    """What belongs to the figures and has no reach: what the formula of two workers was fed with, stalls, failures."""
    said = []
    for lanes in ("1 worker", "2 workers"):
        values = [report.value("lanes", lanes, what) for what in ("per_second", "worker_us", "store_us")]
        if None not in values:
            rate, worker, store = values
            took = f"w = {worker:.0f} µs of a worker, s = {store:.0f} µs of the store a run"
            said.append(f"{lanes}: {rate:,.0f} runs/s; {took}")
    idle, rewrite = (report.value("storm", "bus", what) for what in ("idle_store_ping_ms", "rewrite_ping_ms"))
    if idle is not None and rewrite is not None:
        scripts = report.value("storm", "bus", "scripts_999_ms")
        said.append(
            f"the storm: an idle store beside it answered its worst ping in {idle:.1f} ms; 99.9 % of its scripts took"
            f" at most {scripts:.1f} ms by the server; a rewrite of the append-only file alone: {rewrite:.1f} ms"
        )
    whole = report.value("bytes", "parked run", "with_event_bytes")
    if whole is not None:
        said.append(f"a parked run with its event (stream entry, id, payload): {whole:,.0f} bytes")
    for name, size in sorted(next((f.more for f in report.of("suite") if f.more), {}).items()):
        said.append(f"{name}: {size:.0f} MB")
    raw, appended = report.value("drained", "raw", "per_second"), report.value("publish", "raw XADD", "per_second")
    said += [f"the raw limit: {raw:,.0f} entries/s read and acknowledged"] if raw else []
    said += [f"raw XADD: {appended:,.0f}/s one by one"] if appended else []
    said += [f"{f.row}: {f.error}" for f in report.figures if f.error]
    return said + [f"{f.row}: {f.who}: {f.broken()}" for f in broken(report)]


def broken(report: Report) -> list[Figure]:
    """One figure of each row and contestant that lost or doubled something."""
    return list({(f.row, f.who): f for f in report.figures if f.broken()}.values())


def headline(report: Report) -> str:
    m = report.machine
    where = f"{m['cores']} shared cores, load {m['load']:.1f} at the start, Python {m['python']}, {m['store']}"
    return f"{m['date']}, {where}, {m['size'].lower()} sizes"


def show(report: Report, console: Console) -> None:
    console.print(headline(report))
    table = Table(*REACH_HEAD)
    for what, claim, measured, verdict in reach_rows(report):
        table.add_row(what, claim, measured, f"[{STYLES[verdict]}]{verdict.value}[/]")
    console.print(table)
    if lines := peer_rows(report):
        table = Table(*PEERS_HEAD)
        for line in lines:
            table.add_row(*line)
        console.print(table)
    for aside in asides(report):
        console.print(aside, highlight=False)
