"""system-bus.config.example.md says what the schema says, and its example loads."""

from __future__ import annotations

import json
import re
from pathlib import Path

from joelclaw_contracts.config.reference import page
from joelclaw_contracts.config.sources import KEYS, VARIABLES
from joelclaw_contracts.functions import DEFAULT_SCHEDULES

PAGE = Path(__file__).parents[2] / "system-bus.config.example.md"


def test_the_page_is_current():
    fresh = page()
    run = "run: python -m joelclaw_contracts.config.reference > system-bus.config.example.md"
    assert PAGE.read_text() == fresh, run


def test_every_key_variable_and_schedule_stands_in_it():
    text = page()
    for key in KEYS:
        assert f"## `{key.name.rpartition('.')[0]}`" in text
        for name in (name for place in key.places for name in place.names):
            assert re.search(rf"`([\w.]+\.)?{name}`", text), key.name
    for name in (*VARIABLES, "JOELCLAW_CONFIG", *DEFAULT_SCHEDULES):
        assert f"`{name}`" in text


def test_a_changed_default_or_bound_makes_the_page_another_one(monkeypatch):
    before = page()
    key = next(key for key in KEYS if key.name == "budgets.retriesPerDay")
    monkeypatch.setattr(key.section.model_fields[key.field], "default", 13)
    assert page() != before


def test_its_example_is_a_file_that_loads(load):
    (example,) = re.findall(r"```json\n(.*?)```", page(), re.DOTALL)
    config = load(json.loads(example))
    assert config.hash == load({"backupTransport": {}}).hash
