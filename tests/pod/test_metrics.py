from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.pod.facts import EVERY, RUN

from joelclaw_bus import observer as o
from joelclaw_pod.metrics import DISTINCT, Metrics
from joelclaw_pod.worker_like import Condition


def values(metrics: Metrics) -> dict[str, float]:
    """Our own, as a scraper reads them: `name{labels}` -> value. (The process's own change all the time.)"""
    text = metrics.page.render().decode()
    return {
        s.name + "{" + ",".join(f"{k}={v}" for k, v in sorted(s.labels.items())) + "}": s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.name.startswith("joelclaw_") and not s.name.endswith("_created")
    }


def test_every_fact_is_counted() -> None:
    for fact in EVERY:
        metrics = Metrics()
        before = values(metrics)
        metrics.saw(fact)
        counted = values(metrics) != before
        assert counted is not (isinstance(fact, o.EventBuried) and not fact.first), fact


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        ("joelclaw_runs_started_total{function=fn}", 1),
        ("joelclaw_runs_ended_total{function=fn,status=completed}", 1),
        ("joelclaw_runs_ended_total{function=fn,status=failed}", 1),
        ("joelclaw_run_seconds_count{function=fn}", 2),
        ("joelclaw_runs_retried_total{function=fn}", 1),
        ("joelclaw_events_buried_total{event=a/b,function=fn}", 1),
        ("joelclaw_writes_refused_total{function=fn,operation=finish}", 1),
        ("joelclaw_entries_taken_over_total{function=fn}", 4),
        ("joelclaw_entries_lost_total{function=fn}", 1),
        ("joelclaw_due_promoted_total{slot=a/b}", 3),
        ("joelclaw_due_late_seconds_sum{slot=a/b}", 0.02),
        ("joelclaw_entries_trimmed_total{slot=a/b}", 7),
        ("joelclaw_store_trouble_seconds_total{}", 2.5),
    ],
)
def test_the_numbers_are_those_of_the_facts(sample: str, value: float) -> None:
    metrics = Metrics()
    for fact in EVERY:
        metrics.saw(fact)
    assert values(metrics)[sample] == pytest.approx(value)


def test_no_run_id_becomes_a_label() -> None:
    metrics = Metrics()
    for fact in EVERY:
        metrics.saw(fact)
    assert RUN not in metrics.page.render().decode()


def test_a_producer_of_ever_new_names_cannot_grow_the_process() -> None:
    metrics = Metrics()
    for n in range(DISTINCT + 50):
        metrics.saw(o.UnknownFields(f"event/{n}", ("x",)))
    counted = {k: v for k, v in values(metrics).items() if k.startswith("joelclaw_unknown_fields_total")}
    assert len(counted) == DISTINCT + 1
    assert counted["joelclaw_unknown_fields_total{event=other}"] == 50


def test_gauges_ask_the_worker_at_every_scrape() -> None:
    metrics, now = Metrics(), [Condition(False)]
    metrics.watch(lambda: now[0])
    assert values(metrics)["joelclaw_ready{}"] == 0
    now[0] = Condition(True, in_flight=3, last_cycle_age=0.5)
    seen = values(metrics)
    assert (seen["joelclaw_ready{}"], seen["joelclaw_in_flight{}"], seen["joelclaw_last_cycle_age_seconds{}"]) == (
        1,
        3,
        0.5,
    )


def test_dropped_evidence_is_counted() -> None:
    metrics = Metrics()
    metrics.evidence_dropped(4)
    assert values(metrics)["joelclaw_evidence_dropped_total{}"] == 4
