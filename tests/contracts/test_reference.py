"""docs/events.md says what the models say."""

from __future__ import annotations

from pathlib import Path

from joelclaw_contracts.catalogue import CATALOGUE
from joelclaw_contracts.reference import page

DOCS = Path(__file__).parents[2] / "docs" / "events.md"


def test_the_page_is_current():
    fresh = page()
    assert DOCS.read_text() == fresh, "run: python -m joelclaw_contracts.reference > docs/events.md"


def test_every_event_and_field_stands_in_it():
    text = page()
    for name, model in CATALOGUE.items():
        assert f"## `{name}`" in text
        for field in model.model_fields.values():
            assert f"| `{field.alias}` |" in text
