from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.pod.facts import ENDED, EVERY, FAILED, RUN

from joelclaw_bus import observer as o
from joelclaw_pod.tracing import Tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STARTED = o.RunStarted("fn", RUN, "a/b", 1, 0, PARENT)


def spans_of(*facts: o.Fact) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    tracing = Tracing.with_exporter("router", exporter)
    for fact in facts:
        tracing.saw(fact)
    tracing.close()
    return list(exporter.get_finished_spans())


def test_a_run_is_a_span_under_its_events_parent_with_its_steps_below() -> None:
    step, run = spans_of(STARTED, o.StepRecorded("fn", RUN, "probe", 0.25), ENDED)
    assert (run.name, step.name) == ("run fn", "step probe")
    assert run.parent is not None
    assert step.parent is not None
    assert f"{run.context.trace_id:032x}" == PARENT.split("-")[1]
    assert f"{run.parent.span_id:016x}" == PARENT.split("-")[2]
    assert step.parent.span_id == run.context.span_id
    assert step.end_time is not None
    assert step.start_time is not None
    assert step.end_time - step.start_time == 250_000_000
    assert run.resource.attributes["service.name"] == "router"


def test_a_failed_run_is_an_error_and_tells_no_secret() -> None:
    (run,) = spans_of(STARTED, FAILED)
    assert not run.status.is_ok
    assert run.status.description == "Boom: redis://u:***@h"


def test_a_run_that_parks_ends_its_span_and_goes_on_in_the_same_trace() -> None:
    first, second = spans_of(STARTED, o.RunParked("fn", RUN, "due", 1), STARTED, ENDED)
    assert first.attributes is not None
    assert first.attributes["joelclaw.outcome"] == "parked"
    assert first.context.trace_id == second.context.trace_id


def test_every_fact_can_come_at_any_time() -> None:
    spans = spans_of(*reversed(EVERY), *EVERY)
    assert [(s.name, (s.attributes or {}).get("joelclaw.outcome")) for s in spans] == [
        ("run fn", "begun anew"),
        ("step probe", None),
        ("run fn", "parked"),
    ]


def test_an_event_that_a_run_sends_carries_the_runs_span() -> None:
    tracing = Tracing.with_exporter("router", InMemorySpanExporter())
    tracing.saw(STARTED)
    header = tracing.traceparent(RUN, PARENT)
    tracing.close()
    assert header.split("-")[1] == PARENT.split("-")[1]
    assert header.split("-")[2] != PARENT.split("-")[2]


def test_without_an_exporter_the_trace_is_handed_on() -> None:
    tracing = Tracing("router")
    tracing.saw(STARTED)
    assert tracing.traceparent(RUN, PARENT) == PARENT
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", tracing.traceparent())


def test_without_an_exporter_nothing_is_loaded_and_nothing_kept() -> None:
    code = (
        "import sys; from joelclaw_bus.observer import RunStarted; from joelclaw_pod.tracing import Tracing\n"
        "tracing = Tracing('router'); before = dict(vars(tracing))\n"
        "for n in range(100): tracing.saw(RunStarted('fn', f'fn:{n}', 'a/b', 1, 0, ''))\n"
        "sys.exit('opentelemetry.sdk.trace' in sys.modules or vars(tracing) != before)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_with_an_endpoint_spans_go_to_the_collectors_path() -> None:
    asked: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tracing = Tracing("router", endpoint=f"http://127.0.0.1:{server.server_port}/")
        tracing.saw(STARTED)
        tracing.saw(ENDED)
        tracing.close(timeout=10)
        server.shutdown()
    assert asked == ["/v1/traces"]


def test_a_collector_that_never_answers_does_not_hold_up_the_stop() -> None:
    asked, go_on, answered = threading.Event(), threading.Event(), threading.Event()

    class Silent(InMemorySpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            asked.set()
            go_on.wait()
            answered.set()
            return SpanExportResult.SUCCESS

    tracing = Tracing.with_exporter("router", Silent())
    tracing.saw(STARTED)
    tracing.saw(ENDED)
    tracing.close(timeout=0.1)
    try:
        assert asked.wait(60), "it was not even tried"
        assert not answered.is_set()
    finally:
        go_on.set()
    assert answered.wait(60)
