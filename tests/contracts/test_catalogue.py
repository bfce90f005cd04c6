"""The catalogue, the routes, the answer to what can't be read, and the schema export."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import joelclaw_contracts
from joelclaw_contracts import (
    CATALOGUE,
    FUNCTION_IDS,
    KNOWN_ROUTES,
    HealingCompleted,
    HealingRequested,
    PayloadInvalid,
    answer_invalid,
    model_for,
    nearest_event,
)
from joelclaw_contracts.events.routed import ROUTED_FIELDS
from joelclaw_contracts.functions import DEFAULT_SCHEDULES
from joelclaw_contracts.schema import DRAFT, main, schema_for

REQUEST = HealingRequested.event_name

CONTRACT = {
    "system/self.healing.requested",
    "system/self.healing.completed",
    "system/backup.failure.detected",
    "system/backup.retry.requested",
    "system/health.check.requested",
    "system/inngest.runtime.health.requested",
    "gateway/send.message",
    "otel/event",
}
OURS = {"backup/run.requested"}  # internal: no other system sends or reads it


def test_the_catalogue_holds_the_contracts_events():
    assert set(CATALOGUE) == CONTRACT | OURS
    assert all(model.event_name == name for name, model in CATALOGUE.items())


def test_an_unknown_event_has_no_model_but_a_near_name():
    assert model_for("system/self.healing.request") is None
    assert nearest_event("system/self.healing.request") == REQUEST
    assert nearest_event("zzz") is None


def test_a_retry_may_ask_for_work_but_not_state_facts():
    assert {name for name in CONTRACT | OURS if name.endswith(".requested")} == KNOWN_ROUTES
    assert "otel/event" not in KNOWN_ROUTES


def test_the_carried_fields_are_the_requests_and_the_routers():
    own = {info.alias for info in HealingRequested.model_fields.values()}
    assert own | {"incidentId", "nextAttempt", "decision"} == ROUTED_FIELDS


def test_only_known_functions_have_schedules():
    assert set(DEFAULT_SCHEDULES) < set(FUNCTION_IDS)


def invalid(raw):
    with pytest.raises(PayloadInvalid) as caught:
        HealingRequested.from_json(raw)
    return answer_invalid(REQUEST, raw, caught.value, "01J0")


def test_a_request_that_does_not_validate_is_answered_with_what_was_readable(golden):
    answer = invalid(json.dumps(golden(REQUEST, domain="backup", attempt="x")))
    assert answer == HealingCompleted(
        domain="backup",
        status="invalid",
        detected=1,
        inspected=1,
        event_id="01J0",
        source_function="system/check-system-health",
        target_component="redis",
        reason=f'{REQUEST}: attempt is "x" (a string); expected an integer of at least 0',
    )
    assert HealingCompleted.from_json(answer.to_json()) == answer


LONG_DOMAIN = json.dumps({"domain": "x" * 2000}).encode()


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[]", b'{"domain": 5}', b'{"domain": " "}', LONG_DOMAIN])
def test_an_unreadable_domain_is_all(raw):
    answer = invalid(raw)
    assert answer is not None
    assert (answer.domain, answer.source_function, answer.target_component) == ("all", None, None)


def test_other_events_are_not_answered():
    for name in CONTRACT - {REQUEST}:
        assert answer_invalid(name, b"", "wrong", "1") is None


@given(raw=st.binary(max_size=100), event_id=st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip))
def test_the_answer_to_anything_is_itself_valid(raw, event_id):
    answer = answer_invalid(REQUEST, raw, "wrong", event_id)
    assert answer is not None
    assert HealingCompleted.from_json(answer.to_json()) == answer


def test_the_schema_export_writes_one_file_an_event_the_same_each_time(tmp_path, capsys):
    assert main([str(tmp_path / "one")]) == main([str(tmp_path / "two")]) == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    assert len(first) == len(CATALOGUE)
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(CATALOGUE)


def test_the_schema_export_called_wrongly_says_how(capsys):
    assert main([]) == main(["--help"]) == 2
    assert "usage:" in capsys.readouterr().err


def test_the_schema_export_runs_as_a_module(tmp_path):
    command = [sys.executable, "-W", "error", "-m", "joelclaw_contracts.schema", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ})
    assert (tmp_path / "otel.event.json").is_file()


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_field_of_a_schema_says_what_it_does(name):
    schema = schema_for(CATALOGUE[name])
    assert schema["$schema"] == DRAFT
    assert schema["title"] == name
    for part in (schema, *schema.get("$defs", {}).values()):
        assert part["description"]
        for field, described in part["properties"].items():
            assert described.get("description"), field


def test_all_public_names_exist_once():
    for name in joelclaw_contracts.__all__:
        assert getattr(joelclaw_contracts, name) is not None
    assert len(set(joelclaw_contracts.__all__)) == len(joelclaw_contracts.__all__)
