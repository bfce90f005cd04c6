"""What every event does: strict types, one-line complaints, unknown fields ignored and countable."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from joelclaw_contracts import (
    CATALOGUE,
    EventModel,
    HealingRequested,
    NameInvalid,
    OtelEvent,
    PayloadInvalid,
    RetryPolicy,
    SendMessage,
)

REQUEST = HealingRequested.event_name


def complaint(model, wire):
    with pytest.raises(PayloadInvalid) as caught:
        model.from_json(wire if isinstance(wire, bytes | str) else json.dumps(wire))
    error = caught.value
    assert "\n" not in str(error)
    assert error.event_name == model.event_name
    assert str(error).startswith(f"{model.event_name}: ")
    return error.field, error.problem


def check_read_or_refused(read, given):
    """The event; None if it was refused, which must take one line."""
    try:
        return read(given)
    except PayloadInvalid as error:
        message = str(error)
    assert "\n" not in message
    return None


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"attempt": "3"}, "attempt", 'is "3" (a string); expected an integer of at least 0'),
        ({"attempt": True}, "attempt", "is true; expected an integer of at least 0"),
        ({"attempt": 1.5}, "attempt", "is 1.5; expected an integer of at least 0"),
        ({"attempt": 3.0}, "attempt", "is 3.0; expected an integer of at least 0"),
        ({"attempt": -1}, "attempt", "is -1; expected an integer of at least 0"),
        ({"attempt": None}, "attempt", "is null; expected an integer of at least 0"),
        ({"attempt": 10**60}, "attempt", "is a very large number; expected an integer of at least 0"),
        ({"sourceFunction": 5}, "sourceFunction", "is 5; expected a non-empty string of at most 1000 characters"),
        ({"sourceFunction": ""}, "sourceFunction", "is empty; expected a non-empty string of at most 1000 characters"),
        ({"dryRun": "yes"}, "dryRun", 'is "yes" (a string); expected true or false'),
        ({"dryRun": 1}, "dryRun", "is 1; expected true or false"),
        ({"context": []}, "context", "is a list; expected an object"),
        ({"evidence": {}}, "evidence", "is an object; expected a list of 0 to 1000 items"),
        ({"evidence": ["x"] * 1001}, "evidence", "has 1001 items; expected a list of 0 to 1000 items"),
        ({"fallbackAction": "page"}, "fallbackAction", 'is "page" (a string); expected one of escalate, manual'),
        ({"retryPolicy": {"sleepMinMs": "1"}}, "retryPolicy.sleepMinMs", None),
        ({"evidence": ["ok", {"type": "log"}]}, "evidence[1].detail", None),
        ({"playbook": {"restart": ["ok", 1]}}, "playbook.restart[1]", None),
    ],
)
def test_a_wrong_field_is_named_with_what_is_wrong_and_what_is_expected(golden, changes, field, problem):
    named, said = complaint(HealingRequested, golden(REQUEST, **changes))
    assert named == field
    if problem is not None:
        assert said == problem


def test_a_missing_field_is_named(golden):
    wire = golden(REQUEST)
    del wire["attempt"]
    assert complaint(HealingRequested, wire) == ("attempt", "is missing; expected an integer of at least 0")


def test_a_blank_string_is_empty(golden):
    field, problem = complaint(HealingRequested, golden(REQUEST, problemSummary=" \t\u2003\n"))
    assert field == "problemSummary"
    assert problem.startswith("is empty; ")


def test_further_complaints_are_counted(golden):
    _, problem = complaint(HealingRequested, golden(REQUEST, attempt="x", playbook=5))
    assert problem.endswith("(and 1 more)")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "the payload is not JSON: "),
        (b"{'a': 1}", "the payload is not JSON: "),
        (b"\xc3\x28", "the payload is not UTF-8: byte 0xc3 at offset 0"),
        (b"[]", "the payload is of type list; expected a JSON object"),
        (b"null", "the payload is null; expected a JSON object"),
        (b'{"attempt": NaN}', "the payload holds NaN, which is not JSON"),
        (b'{"attempt": 1, "attempt": 2}', 'the payload holds the key "attempt" twice in one object'),
    ],
)
def test_bytes_that_are_no_payload_are_refused_without_a_field(raw, problem):
    field, said = complaint(HealingRequested, raw)
    assert field is None
    assert said.startswith(problem)


def test_a_hostile_key_or_value_cannot_break_the_line(golden):
    field, _ = complaint(SendMessage, golden("gateway/send.message", audit={"producer": {"\n\x1b[31m": 1}}))
    assert field == "audit.producer"
    _, problem = complaint(HealingRequested, golden(REQUEST, fallbackAction="a\nb\x1b[31m" + "x" * 5000))
    assert len(problem) < 200
    assert "\x1b" not in problem


def test_nul_and_cut_emoji_are_read_and_written(golden):
    wire = golden(REQUEST, problemSummary="a\0b", evidence=["cut \ud83d"])
    event = HealingRequested.from_json(json.dumps(wire))
    assert event.problem_summary == "a\0b"
    assert event.evidence[0].detail == "cut \ufffd"
    assert HealingRequested.from_json(event.to_json()) == event


@pytest.mark.parametrize("model", CATALOGUE.values(), ids=list(CATALOGUE))
@given(raw=st.binary(max_size=200) | st.text(st.characters(), max_size=200))
def test_arbitrary_bytes_raise_payload_invalid_only(model, raw):
    check_read_or_refused(model.from_json, raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("2026-01-01T00:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("model", CATALOGUE.values(), ids=list(CATALOGUE))
@given(data=st.data())
def test_any_mixture_of_values_is_refused_in_one_line_or_survives_the_round_trip(model, data):
    names = [str(info.alias) for info in model.model_fields.values()]
    wire = data.draw(st.dictionaries(st.sampled_from(names), JSON))
    event = check_read_or_refused(model.from_wire, wire)
    if event is None:
        return
    again = model.from_json(event.to_json())
    assert again == event
    assert again.to_wire() == event.to_wire() == json.loads(event.to_json())


def test_unknown_fields_are_ignored_but_listed_with_their_path(golden):
    wire = golden(
        REQUEST,
        colour="red",
        playbook={"steps": [], "actions": ["a"]},
        evidence=[{"type": "log", "detail": "x", "when": 1}, {"type": "log", "detail": "y", "when": 2}, "plain"],
        context={"anything": 1},
    )
    assert sorted(HealingRequested.unknown_fields(wire)) == ["colour", "evidence.when", "playbook.steps"]
    assert "colour" not in HealingRequested.from_wire(wire).to_wire()


def test_the_list_of_unknown_fields_is_bounded():
    assert len(SendMessage.unknown_fields({f"k{n}": n for n in range(5000)})) == 100


def test_fields_that_the_router_carries_along_are_not_unknown(golden):
    wire = golden(REQUEST, "full", incidentId="i", nextAttempt=1, decision={})
    for route in ("system/health.check.requested", "system/inngest.runtime.health.requested", REQUEST):
        assert CATALOGUE[route].unknown_fields(wire) == []
    assert CATALOGUE["gateway/send.message"].unknown_fields({"decision": {}}) == ["decision"]


def test_python_names_work_in_constructors_but_not_on_the_wire(golden):
    assert SendMessage(channel="a", text="b", audit={"producer": "c"}).text == "b"
    assert RetryPolicy(max_retries=3).to_wire() == {"maxRetries": 3}
    wire = golden(REQUEST)
    wire["source_function"] = wire.pop("sourceFunction")
    assert complaint(HealingRequested, wire)[0] == "sourceFunction"
    nested = golden(REQUEST, retryPolicy={"max_retries": 3})
    assert HealingRequested.from_wire(nested).retry_policy.max_retries is None
    assert HealingRequested.unknown_fields(nested) == ["retryPolicy.max_retries"]


def test_an_optional_null_says_nothing(golden):
    wire = golden(REQUEST, owner=None, domain=None, dryRun=None, playbook={"links": None})
    event = HealingRequested.from_wire(wire)
    assert (event.owner, event.domain, event.dry_run, event.playbook.links) == (None, "all", False, ())
    assert event.to_wire() == golden(REQUEST)


def test_nulls_inside_free_objects_are_kept(golden):
    wire = golden("otel/event", metadata={"rule": None, "list": [None]})
    assert OtelEvent.from_wire(wire).to_wire() == wire


def test_an_event_is_frozen(golden):
    event = HealingRequested.from_wire(golden(REQUEST))
    with pytest.raises(ValidationError, match="frozen"):
        event.attempt = 3


@pytest.mark.parametrize("metadata", [{"x": float("inf")}, {"x": object()}, {"x": "\ud800"}, {1: 2}])
def test_what_could_not_be_written_is_refused_when_the_event_is_made(golden, metadata):
    with pytest.raises(ValidationError):
        OtelEvent.model_validate(golden("otel/event", metadata=metadata))


def test_an_event_class_must_have_a_name_in_the_grammar():
    with pytest.raises(NameInvalid):

        class Wrong(EventModel):
            event_name: ClassVar[str] = "no spaces"
