"""The contract as files. A red diff here means that other systems would notice: change contracts in two steps.

After an intended change: edit the payloads by hand, and write the schemas with
`python -m joelclaw_contracts.schema tests/contracts/golden/schema`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from joelclaw_contracts import CATALOGUE, PayloadInvalid
from joelclaw_contracts.schema import file_name, render

GOLDEN = Path(__file__).parent / "golden"


def aliases(event_name, *, required_only=False):
    fields = CATALOGUE[event_name].model_fields.values()
    return {info.alias for info in fields if info.is_required() or not required_only}


@pytest.mark.parametrize("kind", ["minimal", "full"])
@pytest.mark.parametrize("event_name", CATALOGUE)
def test_wire_to_model_to_wire_is_identical(golden, event_name, kind):
    wire = golden(event_name, kind)
    event = CATALOGUE[event_name].from_wire(wire)
    assert event.to_wire() == wire
    assert json.loads(event.to_json()) == wire
    assert CATALOGUE[event_name].from_json(event.to_json()) == event


@pytest.mark.parametrize("event_name", CATALOGUE)
def test_the_full_payload_holds_every_field_and_the_minimal_one_the_required(golden, event_name):
    assert set(golden(event_name, "full")) == aliases(event_name)
    assert set(golden(event_name, "minimal")) == aliases(event_name, required_only=True)


@pytest.mark.parametrize("event_name", CATALOGUE)
def test_no_golden_payload_holds_an_unknown_field(golden, event_name):
    assert CATALOGUE[event_name].unknown_fields(golden(event_name, "full")) == []


@pytest.mark.parametrize("event_name", CATALOGUE)
def test_every_required_field_is_missed_by_name(golden, event_name):
    model = CATALOGUE[event_name]
    for field in aliases(event_name, required_only=True):
        wire = golden(event_name, "full")
        del wire[field]
        with pytest.raises(PayloadInvalid, match=rf"^{event_name}: {field} is missing; expected ") as caught:
            model.from_wire(wire)
        assert caught.value.field == field


@pytest.mark.parametrize("event_name", CATALOGUE)
def test_the_schema_is_the_golden_one(event_name):
    path = GOLDEN / "schema" / file_name(event_name)
    assert render(CATALOGUE[event_name]) == path.read_text(encoding="utf-8")


def test_there_is_no_golden_file_too_many():
    names = {name.replace("/", ".") for name in CATALOGUE}
    payloads = {f"{name}.{kind}.json" for name in names for kind in ("minimal", "full")}
    assert {path.name for path in GOLDEN.glob("*.json")} == payloads
    assert {path.name for path in (GOLDEN / "schema").iterdir()} == {f"{name}.json" for name in names}
