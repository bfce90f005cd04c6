"""What is to be reached, and what was: pure. A claim without a figure isn't measured; that isn't the same as missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from bench.contestants import PEERS
from bench.figures import Report
from bench.rows import Size, rows

Value = Callable[[Report], float | None]


class Verdict(Enum):
    MET = "met"
    MISSED = "not met"
    UNMEASURED = "not measured"


@dataclass(frozen=True)
class Reach:
    """`form` shows the measured value; `limit` bounds it from below, or (at_most) from above."""

    row: str
    what: str
    value: Value
    limit: float
    form: str
    at_most: bool = True

    def verdict(self, report: Report) -> Verdict:
        value = self.value(report)
        if value is None:
            return Verdict.UNMEASURED
        return Verdict.MET if (value <= self.limit if self.at_most else value >= self.limit) else Verdict.MISSED

    def shown(self, report: Report) -> str:
        value = self.value(report)
        return "–" if value is None else self.form.format(value)

    def title(self, report: Report) -> str:
        return self.what.format(**facts(report, self.row))

    @property
    def claim(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.form.format(self.limit)}"


def figure(row: str, what: str, who: str = "bus") -> Value:
    return lambda report: report.value(row, who, what)


def share(of: Value, base: Value) -> Value:
    def value(report: Report) -> float | None:
        upper, lower = of(report), base(report)
        return None if upper is None or not lower else upper / lower

    return value


def best_peer(row: str, what: str) -> Value:
    def value(report: Report) -> float | None:
        seen = [v for name in PEERS if (v := report.value(row, name, what)) is not None]
        return max(seen, default=None)

    return value


def facts(report: Report, row: str) -> dict[str, str]:
    """The sizes that a title names, as they were in this run."""
    played = {r.name: r for r in rows(Size[report.machine["size"]])}
    counts = [f.count for f in report.of(row) if f.who not in PEERS]
    lease, others = played["interrupted"].plays[0].options["lease"], played["due"].first[0].options["count"]
    return {"count": f"{max(counts, default=0):,}", "lease": f"{lease:g} s", "others": f"{others:,.0f}"}


def beyond_lease(report: Report) -> float | None:
    again = report.value("interrupted", "bus", "again_s")
    return None if again is None else max(0.0, again - float(facts(report, "interrupted")["lease"].split()[0]))


def lanes_share(report: Report) -> float | None:
    """How much of 2 / (1 + s/w) two workers are, s and w being the store's and the worker's µs of a run with one."""
    two = share(figure("lanes", "per_second", "2 workers"), figure("lanes", "per_second", "1 worker"))(report)
    weight = share(figure("lanes", "store_us", "1 worker"), figure("lanes", "worker_us", "1 worker"))(report)
    return None if two is None or weight is None else two / (2 / (1 + weight))


PER_SECOND, MS, RATIO = "{:,.0f}/s", "{:,.1f} ms", "{:.2f} ×"
DRAINED = figure("drained", "per_second")
ONE_BY_ONE, RAW_XADD = (figure("publish", "per_second", who) for who in ("one by one", "raw XADD"))

REACHES = [
    Reach("drained", "runs without steps, drained", DRAINED, 20_000, PER_SECOND, at_most=False),
    Reach("drained", "… of the best peer here", share(DRAINED, best_peer("drained", "per_second")), 8, RATIO, False),
    Reach("drained", "… of the raw limit", share(DRAINED, figure("drained", "per_second", "raw")), 0.35, RATIO, False),
    Reach("steps", "runs of three journaled steps", figure("steps", "per_second"), 3_000, PER_SECOND, at_most=False),
    Reach("steps", "… a step's p99, 32 runs at once", figure("steps", "step_p99_ms"), 10, MS),
    Reach("idle", "idle: XADD → handler starts, p50", figure("idle", "p50_ms"), 1, MS),
    Reach("idle", "… p99", figure("idle", "p99_ms"), 4, MS),
    Reach("due", "due at random times, {others} others pending: late, p50", figure("due", "p50_ms"), 2, MS),
    Reach("due", "… p99", figure("due", "p99_ms"), 10, MS),
    Reach("instant", "{count} due at one instant: the last starts late", figure("instant", "last_ms"), 500, MS),
    Reach("storm", "{count} due at once: worst store ping", figure("storm", "worst_ping_ms"), 10, MS),
    Reach("bytes", "a pending due event, 200-byte payload, {count} of them",
          figure("bytes", "bytes", "due event"), 500, "{:,.0f} bytes"),
    Reach("bytes", "a parked run, beyond its event, {count} of them",
          figure("bytes", "bytes", "parked run"), 700, "{:,.0f} bytes"),
    Reach("interrupted", "interrupted work runs again: later than its lease ({lease}) by", beyond_lease,
          1, "{:.1f} s"),
    Reach("publish", "published one by one, of raw XADD", share(ONE_BY_ONE, RAW_XADD), 0.55, RATIO, False),
    Reach("publish", "published in batches, with ids",
          figure("publish", "per_second", "batches"), 30_000, PER_SECOND, False),
    Reach("suite", "the idle suite, of one core", figure("suite", "cpu_percent"), 3, "{:.1f} %"),
    Reach("suite", "… store commands", figure("suite", "commands_per_second"), 200, PER_SECOND),
    Reach("suite", "… its largest service", figure("suite", "largest_service_mb"), 100, "{:.0f} MB"),
    Reach("suite", "joelclaw --help", figure("suite", "help_ms"), 300, "{:.0f} ms"),
    Reach("lanes", "2 worker processes, of 2 / (1 + s/w)", lanes_share, 0.85, RATIO, at_most=False),
]  # fmt: skip
