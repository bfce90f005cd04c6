"""docs/asyncapi.json is current and whole in itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from joelclaw_contracts import CATALOGUE
from joelclaw_contracts.asyncapi import document, page


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from references(each)


def found(whole: dict[str, Any], reference: str) -> Any:
    part: Any = whole
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


def test_the_document_in_docs_is_current() -> None:
    path = Path(__file__).parents[2] / "docs" / "asyncapi.json"
    assert path.read_text(encoding="utf-8") == page(), "run: python -m joelclaw_contracts.asyncapi > docs/asyncapi.json"


def test_each_event_is_a_channel_and_every_reference_leads_somewhere() -> None:
    whole = document()
    assert {channel["address"] for channel in whole["channels"].values()} == set(CATALOGUE)
    leads = [found(whole, reference) for reference in references(whole)]
    assert leads
    assert all(isinstance(part, dict) for part in leads)
