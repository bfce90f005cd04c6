"""Traces. opentelemetry is known in this file only; it is loaded only where an endpoint is set.

One span per execution of a run (`run FUNCTION`, from RunStarted until it ends, parks or is to be retried) under the
W3C parent that its event carried, and one child per recorded step (`step NAME`). A run that sleeps for a day is
several spans of one trace, perhaps of several processes: a span can't outlive its process, a trace can.

With no endpoint nothing is built, kept or sent; `traceparent` still hands the caller's trace on.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from joelclaw_bus import observer as o
from joelclaw_contracts.redact import redact_text

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

OPEN_SPANS = 10_000  # a run whose end nobody tells must not stay in memory for ever


class Tracing:
    """An observer that makes spans, and the source of the `traceparent` header."""

    def __init__(self, service: str, *, system_id: str = "", endpoint: str | None = None) -> None:
        """`endpoint`: an OTLP/HTTP collector, e.g. http://127.0.0.1:4318; None exports nothing."""
        exporter = _otlp(endpoint) if endpoint else None
        self._spans = _Spans(service, system_id, exporter) if exporter else None

    @classmethod
    def with_exporter(cls, service: str, exporter: SpanExporter, *, system_id: str = "") -> Tracing:
        """Spans that go to this exporter."""
        tracing = cls(service)
        tracing._spans = _Spans(service, system_id, exporter)
        return tracing

    def saw(self, fact: o.Fact) -> None:
        if self._spans is not None:
            self._spans.saw(fact)

    def traceparent(self, run: str = "", parent: str = "") -> str:
        """The W3C header for an event that `run` sends: its own span if it has one, else `parent`, else a new trace."""
        own = self._spans.header(run) if self._spans and run else ""
        return own or parent or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"

    def close(self, timeout: float = 2.0) -> None:
        """Export what is left, for at most `timeout` seconds: a collector that is away must not hold up a stop."""
        if self._spans is not None:
            closing = threading.Thread(target=self._spans.shutdown, daemon=True)
            closing.start()
            closing.join(timeout)


def _otlp(endpoint: str) -> SpanExporter:
    # Here, not above: loading it takes half a second and several MB that most processes never need.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces", timeout=5)


class _Spans:
    """The spans that are open in this process."""

    def __init__(self, service: str, system_id: str, exporter: SpanExporter) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create({"service.name": service, "service.namespace": "joelclaw", "host.name": system_id})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("joelclaw_pod")
        self._trace = trace
        self._w3c = TraceContextTextMapPropagator()
        self._open: OrderedDict[str, Span] = OrderedDict()
        self.shutdown = self._provider.shutdown

    def saw(self, fact: o.Fact) -> None:
        match fact:
            case o.RunStarted():
                self._start(fact)
            case o.StepRecorded():
                self._step(fact)
            case o.RunParked():
                self._end(fact.run, "parked", state=fact.state)
            case o.RunRetried():
                self._end(fact.run, "retried", error=fact.error or "failed")
            case o.RunEnded():
                error = fact.error or "failed" if fact.status == "failed" else ""
                self._end(fact.run, fact.status, error=error)
            case o.RunCancelled():
                self._end(fact.run, "cancelled")
            case o.LeaseLost():
                self._end(fact.run, "lease lost", error="the lease was lost")
            case _:
                pass  # the rest is counted and kept as evidence; it belongs to no run's time

    def _start(self, fact: o.RunStarted) -> None:
        self._end(fact.run, "begun anew")
        parent = self._w3c.extract({"traceparent": fact.traceparent}) if fact.traceparent else None
        attributes: dict[str, str | int] = {
            "joelclaw.function": fact.function,
            "joelclaw.run": fact.run,
            "joelclaw.attempt": fact.attempt,
            "messaging.system": "redis",
            "messaging.destination.name": fact.event,
        }
        kind = self._trace.SpanKind.CONSUMER
        self._open[fact.run] = self._tracer.start_span(
            f"run {fact.function}", context=parent, kind=kind, attributes=attributes
        )
        while len(self._open) > OPEN_SPANS:
            self._open.popitem(last=False)[1].end()

    def _step(self, fact: o.StepRecorded) -> None:
        span = self._open.get(fact.run)
        if span is not None:
            end = time.time_ns()
            context = self._trace.set_span_in_context(span)
            start = end - int(max(0.0, fact.seconds) * 1e9)
            self._tracer.start_span(f"step {fact.step}", context=context, start_time=start).end(end)

    def _end(self, run: str, outcome: str, *, state: str = "", error: str = "") -> None:
        span = self._open.pop(run, None)
        if span is None:
            return
        span.set_attribute("joelclaw.outcome", outcome)
        if state:
            span.set_attribute("joelclaw.state", state)
        if error:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, redact_text(error)[:1000]))
        span.end()

    def header(self, run: str) -> str:
        span = self._open.get(run)
        carrier: dict[str, str] = {}
        if span is not None:
            self._w3c.inject(carrier, self._trace.set_span_in_context(span))
        return carrier.get("traceparent", "")
