"""What single events promise beyond types: one route, agreeing targets, instants, evidence, decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from joelclaw_contracts import (
    BackupFailureDetected,
    BackupRetryRequested,
    Evidence,
    HealingCompleted,
    HealingRequested,
    HealthCheckRequested,
    OtelEvent,
    PayloadInvalid,
    RetryDecision,
    RetryPolicy,
    RunContext,
    RuntimeHealthRequested,
    SendMessage,
    model_for,
)

REQUEST = HealingRequested.event_name
FAILURE = BackupFailureDetected.event_name
RETRY = BackupRetryRequested.event_name


def check_refused(model, wire, field, problem):
    with pytest.raises(PayloadInvalid, match=problem) as caught:
        model.from_wire(wire)
    assert caught.value.field == field


def test_a_request_has_the_contracts_defaults(golden):
    event = HealingRequested.from_wire(golden(REQUEST))
    assert (event.domain, event.fallback_action, event.dry_run, event.route) == ("all", "escalate", False, None)
    assert RuntimeHealthRequested.from_wire({}).dry_run is False
    assert HealthCheckRequested.from_wire({}).mode == "full"


def test_any_non_empty_string_is_a_domain(golden):
    assert HealingRequested.from_wire(golden(REQUEST, domain="log-ingestion")).domain == "log-ingestion"
    check_refused(HealingRequested, golden(REQUEST, domain=" "), "domain", "is empty")


@pytest.mark.parametrize("name", ["targetEventName", "routeToEventName"])
def test_both_names_of_the_route_are_read(golden, name):
    assert HealingRequested.from_wire(golden(REQUEST, **{name: "a/b"})).route == "a/b"


def test_two_routes_that_differ_are_refused(golden):
    wire = golden(REQUEST, targetEventName="a/b", routeToEventName="c/d")
    check_refused(
        HealingRequested, wire, "routeToEventName", 'is "c/d" but its alias targetEventName is "a/b"; give one'
    )


@pytest.mark.parametrize("action", ["retry", "pause", "page"])
def test_the_fallback_action_is_closed(golden, action):
    check_refused(HealingRequested, golden(REQUEST, fallbackAction=action), "fallbackAction", "one of escalate, manual")


def test_plain_evidence_becomes_a_note_and_is_written_as_one(golden):
    event = HealingRequested.from_wire(golden(REQUEST, evidence=["run 01J0", {"type": "log", "detail": ""}]))
    assert event.evidence == (Evidence(type="note", detail="run 01J0"), Evidence(type="log", detail=""))
    assert event.to_wire()["evidence"][0] == {"type": "note", "detail": "run 01J0"}


def test_evidence_of_another_kind_is_refused(golden):
    check_refused(
        HealingRequested, golden(REQUEST, evidence=[7]), "evidence[0]", "is 7; expected an object or a string"
    )
    blank = golden(REQUEST, evidence=[{"type": " ", "detail": "x"}])
    check_refused(HealingRequested, blank, "evidence[0].type", "is empty")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2026-02-25T03:00:00", "has no UTC offset, so that it names no instant; expected ISO 8601 with offset"),
        ("2026-02-25", "has no UTC offset"),
        ("tomorrow", "is not an ISO 8601 time"),
        ("", "is not an ISO 8601 time"),
        ("2026-02-30T00:00:00Z", "is not an ISO 8601 time"),
        ("0001-01-01T00:00:00+14:00", "outside the years"),
        (1772017200, "is not a string"),
        (True, "is not a string"),
    ],
)
def test_an_instant_is_iso_8601_with_offset(golden, text, problem):
    check_refused(HealingRequested, golden(REQUEST, deadlineAt=text), "deadlineAt", problem)
    check_refused(
        BackupFailureDetected, golden(FAILURE, backupFailureDetectedAt=text), "backupFailureDetectedAt", problem
    )


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-02-25T03:00:00.000Z", "2026-02-25T03:00:00Z"),
        ("2026-02-25T03:00:00.120Z", "2026-02-25T03:00:00.120Z"),
        ("2026-02-25T03:00:00.123456+00:00", "2026-02-25T03:00:00.123456Z"),
        ("2026-02-25T03:00:00-08:00", "2026-02-25T03:00:00-08:00"),
    ],
)
def test_an_instant_keeps_its_moment_and_its_offset(golden, text, canonical):
    event = HealingRequested.from_wire(golden(REQUEST, deadlineAt=text))
    assert event.deadline_at == datetime.fromisoformat(text)
    assert event.to_wire()["deadlineAt"] == canonical


def test_a_naive_datetime_cannot_be_sent():
    at = datetime(2026, 2, 25, 3, tzinfo=timezone(timedelta(hours=-8)))
    completed = HealingCompleted(domain="all", status="noop", detected=0, inspected=0, due_at=at)
    assert completed.to_wire()["dueAt"] == "2026-02-25T03:00:00-08:00"
    with pytest.raises(ValidationError, match="no UTC offset"):
        HealingCompleted(domain="all", status="noop", detected=0, inspected=0, due_at=at.replace(tzinfo=None))


STATUSES = ("scheduled", "noop", "blocked", "detected", "remediated", "exhausted", "escalated", "invalid")


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_the_contract_is_read(golden, status):
    name = HealingCompleted.event_name
    assert HealingCompleted.from_wire(golden(name, status=status)).status == status


def test_every_other_status_is_refused(golden):
    wire = golden(HealingCompleted.event_name, status="fixed")
    check_refused(HealingCompleted, wire, "status", f"expected one of {', '.join(STATUSES)}")


def test_function_and_target_must_agree(golden):
    wire = golden(FAILURE, target="typesense")
    problem = 'is "system/backup.redis" but target is "typesense", which "system/backup.typesense" owns'
    check_refused(BackupFailureDetected, wire, "targetFunctionId", problem)
    check_refused(BackupRetryRequested, golden(RETRY, target="typesense"), "targetFunctionId", problem)
    wire["targetFunctionId"] = "system/backup.typesense"
    assert BackupFailureDetected.from_wire(wire).target == "typesense"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", "postgres"),
        ("targetFunctionId", "system/backup.postgres"),
        ("transportMode", "pigeon"),
        ("retryWindowHours", 0),
        ("retryWindowHours", "4"),
        ("transportAttempts", -1),
        ("error", " "),
    ],
)
def test_a_failure_outside_the_closed_values_is_refused(golden, field, value):
    check_refused(BackupFailureDetected, golden(FAILURE, **{field: value}), field, "; expected ")


@pytest.mark.parametrize("confidence", [-0.01, 1.01, "1", True])
def test_confidence_is_a_number_from_0_to_1(golden, confidence):
    decision = {"action": "retry", "delayMs": 1, "reason": "x", "confidence": confidence}
    wire = golden(RETRY, decision=decision)
    check_refused(BackupRetryRequested, wire, "decision.confidence", "expected a number from 0 to 1")


def test_a_decision_takes_one_of_three_actions(golden):
    decision = {"action": "restart", "delayMs": 1, "reason": "x"}
    check_refused(
        BackupRetryRequested, golden(RETRY, decision=decision), "decision.action", "one of retry, pause, escalate"
    )


def test_a_policy_out_of_range_is_read_since_the_router_clamps_it(golden):
    wire = golden(REQUEST, retryPolicy={"maxRetries": 10_000, "sleepMinMs": 0, "sleepMaxMs": 1})
    policy = HealingRequested.from_wire(wire).retry_policy
    assert (policy.max_retries, policy.sleep_min_ms, policy.sleep_max_ms, policy.sleep_step_ms) == (10_000, 0, 1, None)


def test_evidence_events_keep_the_predecessors_wire_names(golden):
    event = OtelEvent.from_wire(golden("otel/event", "full"))
    assert event.duration_ms == 12.5
    assert {"sessionId", "systemId", "duration_ms"} <= event.to_wire().keys()
    check_refused(OtelEvent, golden("otel/event", level="critical"), "level", "one of debug, info, warn, error, fatal")


def test_a_message_names_its_producer(golden):
    check_refused(SendMessage, golden("gateway/send.message", audit={}), "audit.producer", "is missing")


RUN = RunContext(
    run_context_key="k",
    flow_trace=("a", "b"),
    source_event_name=REQUEST,
    source_event_id="1",
    attempt=0,
    next_attempt=1,
)


def test_a_run_context_travels_in_the_context(golden):
    context = RUN.within({"host": "three-body", "runContext": "old"})
    assert RunContext.read(context) == RUN
    assert context["host"] == "three-body"
    assert HealingRequested.from_wire(golden(REQUEST, context=context)).to_wire()["context"] == context


STRANGERS = [None, {}, {"runContext": None}, {"runContext": "x"}, {"runContext": {"attempt": 1}}]


@pytest.mark.parametrize("context", STRANGERS)
def test_a_strangers_run_context_is_none(context):
    assert RunContext.read(context) is None


@pytest.mark.parametrize("route", ["system/health.check.requested", "system/inngest.runtime.health.requested", REQUEST])
def test_a_routed_retry_carries_the_request_and_validates_against_its_route(golden, route):
    request = HealingRequested.from_wire(golden(REQUEST, "full", targetEventName=route, routeToEventName=route))
    wire = request.retry_wire(
        incident_id="i",
        next_attempt=3,
        retry_policy=RetryPolicy(max_retries=4),
        decision=RetryDecision(action="retry", delay_ms=5, reason="transient", route_to=route),
        run_context=RUN,
    )
    assert wire["attempt"] == wire["nextAttempt"] == 3
    assert wire["retryPolicy"] == {"maxRetries": 4}
    assert wire["decision"] == {"action": "retry", "delayMs": 5, "reason": "transient", "routeTo": route}
    assert RunContext.read(wire["context"]) == RUN
    assert wire["problemSummary"] == request.problem_summary
    model = model_for(route)
    assert model is not None
    model.from_wire(wire)
    assert model.unknown_fields(wire) == []


def test_instants_are_aware_in_python(golden):
    event = BackupFailureDetected.from_wire(golden(FAILURE))
    assert event.backup_failure_detected_at == datetime(2026, 2, 25, 11, tzinfo=UTC)
