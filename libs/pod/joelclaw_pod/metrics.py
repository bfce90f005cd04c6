"""What is counted. Every metric's name stands in this file, and prometheus_client is known in no other.

Labels are bounded: a function, a stream, a schedule, a status, and never a run, an entry or an error's text. Beyond
`DISTINCT` different values of one label all further ones count as `other`, so that no producer can grow this process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, assert_never, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from joelclaw_bus import observer as o
from joelclaw_pod.answers import Page
from joelclaw_pod.worker_like import Health

_M = TypeVar("_M", Counter, Histogram)
DISTINCT = 300
RUN_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
LATE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600)


class Metrics:
    """An observer that counts. `page` is what /metrics shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._seen: dict[str, set[str]] = {}
        self._children: dict[tuple[object, ...], Counter | Histogram] = {}

        c = self._counter
        self._started = c("runs_started", "Handlers begun.", "function")
        self._ended = c("runs_ended", "Runs ended.", "function", "status")
        self._steps = c("steps_recorded", "Steps recorded in a journal.", "function")
        self._parked = c("runs_parked", "Runs parked until a time or a permit.", "function", "state")
        self._retries = c("runs_retried", "Failed attempts that get another.", "function")
        self._duplicates = c("duplicates_dropped", "Second entries of a run.", "function")
        self._buried = c("events_buried", "Entries put to the dead letters.", "function", "event")
        self._refused = c("writes_refused", "Writes of a stale worker, refused.", "function", "operation")
        self._faults = c("worker_faults", "Entries that met a defect of the bus itself.", "function")
        self._leases_lost = c("leases_lost", "Leases lost while a run went on.", "function")
        self._taken = c("entries_taken_over", "Entries claimed from dead consumers.", "function")
        self._work_lost = c("entries_lost", "Entries deleted while pending: lost work.", "function")
        self._promoted = c("due_promoted", "Due items promoted.", "slot")
        self._delivered = c("outbox_delivered", "Outbox items delivered.", "kind", "target")
        self._undeliverable = c("outbox_undeliverable", "Outbox items too old to be sent again.", "slot")
        self._stuck = c("stuck", "Things that the store refuses or that can't be read, left where they are.", "slot")
        self._unstuck = c("unstuck", "Of those, what succeeded later.", "slot")
        self._ticks = c("ticks_enqueued", "Cron ticks enqueued.", "function")
        self._trimmed = c("entries_trimmed", "Entries trimmed behind every group.", "slot")
        self._streams_lost = c("streams_lost", "Streams or groups that were gone.", "stream")
        self._audit = c("audit_findings", "Broken promises that the auditor found.", "rule", "remedy")
        self._debounced = c("debounced", "Runs that ended because a later event of their key came.", "function")
        self._waits_ended = c("waits_ended", "Waits of runs that an event ended.", "event")
        self._trouble = c("store_trouble", "Spells in which the store did not answer or refused.", "doing")
        self._trouble_seconds = c("store_trouble_seconds", "How long those spells lasted, together.")
        self._jumps = c("discontinuities", "Jumps of the store's server or clock.")
        self._unknown = c("unknown_fields", "Events with fields their model doesn't know.", "event")
        self._evidence_dropped = c("evidence_dropped", "Evidence that was never written.")

        self._run_seconds = self._histogram("run_seconds", "How long runs took.", RUN_SECONDS, "function")
        self._late = self._histogram("due_late_seconds", "How late due items were promoted.", LATE_SECONDS, "slot")
        self._tick_late = self._histogram("tick_late_seconds", "How late ticks came.", LATE_SECONDS, "function")

    @property
    def page(self) -> Page:
        return Page(CONTENT_TYPE_PLAIN_0_0_4, lambda: generate_latest(self.registry))

    def watch(self, health: Callable[[], Health]) -> None:
        """Gauges that ask a worker, at every scrape, how it is."""
        gauges: list[tuple[str, str, Callable[[], float]]] = [
            ("in_flight", "Runs executing now.", lambda: health().in_flight),
            ("last_cycle_age_seconds", "Since the last successful read cycle.", lambda: health().last_cycle_age),
            ("ready", "1 while work is being taken.", lambda: health().ready),
        ]
        for name, text, ask in gauges:
            Gauge(f"joelclaw_{name}", text, registry=self.registry).set_function(ask)

    def evidence_dropped(self, count: int) -> None:
        self._evidence_dropped.inc(count)

    def saw(self, fact: o.Fact) -> None:
        match fact:
            case o.RunStarted():
                self._count(self._started, function=fact.function)
            case o.RunEnded():
                self._count(self._ended, function=fact.function, status=fact.status)
                self._measure(self._run_seconds, fact.seconds, function=fact.function)
            case o.RunCancelled():
                self._count(self._ended, function=fact.function, status="cancelled")
            case o.StepRecorded():
                self._count(self._steps, function=fact.function)
            case o.RunParked():
                self._count(self._parked, function=fact.function, state=fact.state)
            case o.RunRetried():
                self._count(self._retries, function=fact.function)
            case o.DuplicateDropped():
                self._count(self._duplicates, function=fact.function)
            case o.EventBuried():
                if fact.first:  # burying again changes nothing in the store: counted once
                    self._count(self._buried, function=fact.function, event=fact.event)
            case o.WriteRefused():
                self._count(self._refused, function=fact.function, operation=fact.operation)
            case o.WorkerFault():
                self._count(self._faults, function=fact.function)
            case o.LeaseLost():
                self._count(self._leases_lost, function=fact.function)
            case o.TakenOver():
                self._count(self._taken, fact.entries, function=fact.function)
                self._count(self._work_lost, len(fact.lost), function=fact.function)
            case o.Promoted():
                self._count(self._promoted, fact.count, slot=fact.slot)
                self._measure(self._late, fact.late_ms / 1000, slot=fact.slot)
            case o.OutboxDelivered():
                self._count(self._delivered, kind=fact.kind, target=fact.target)
            case o.OutboxUndeliverable():
                self._count(self._undeliverable, slot=fact.slot)
            case o.Stuck():
                self._count(self._stuck, slot=fact.slot)
            case o.Unstuck():
                self._count(self._unstuck, slot=fact.slot)
            case o.TickEnqueued():
                self._count(self._ticks, function=fact.function)
                self._measure(self._tick_late, fact.late_ms / 1000, function=fact.function)
            case o.Trimmed():
                self._count(self._trimmed, fact.entries, slot=fact.slot)
            case o.AuditFound():
                self._count(self._audit, len(fact.names), rule=fact.rule, remedy=fact.remedy)
            case o.Debounced():
                self._count(self._debounced, function=fact.function)
            case o.WaitEnded():
                self._count(self._waits_ended, event=fact.event)
            case o.StreamLost():
                self._count(self._streams_lost, stream=fact.stream)
            case o.StoreTrouble():
                self._count(self._trouble, doing=fact.doing)
            case o.StoreBack():
                self._trouble_seconds.inc(max(0.0, fact.after_seconds))
            case o.Discontinuity():
                self._jumps.inc()
            case o.UnknownFields():
                self._count(self._unknown, event=fact.event)
            case _:
                assert_never(fact)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"joelclaw_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], label: str) -> Histogram:
        return Histogram(f"joelclaw_{name}", text, (label,), buckets=buckets, registry=self.registry)

    def _bounded(self, label: str, value: str) -> str:
        seen = self._seen.setdefault(label, set())
        if value in seen or len(seen) < DISTINCT:
            seen.add(value)
            return value
        return "other"

    def _child(self, metric: _M, labels: dict[str, str]) -> _M:
        """The metric with these labels, kept: prometheus_client's own way to it costs more than the counting."""
        key = (metric, *labels.values())
        child = self._children.get(key)
        if child is None:
            bounded = {name: self._bounded(name, value) for name, value in labels.items()}
            child = metric.labels(**bounded)
            if bounded == labels:
                self._children[key] = child
        return cast(_M, child)

    def _count(self, counter: Counter, amount: float = 1, **labels: str) -> None:
        self._child(counter, labels).inc(amount)

    def _measure(self, histogram: Histogram, value: float, **labels: str) -> None:
        self._child(histogram, labels).observe(max(0.0, value))
