from __future__ import annotations

from typing import Any

import pytest

from joelclaw_contracts import OtelEvent
from joelclaw_pod.otel_record import ERROR_CHARS, RECORD_BYTES, otel_record

WHO: dict[str, Any] = {"id": "1", "timestamp": 5, "session_id": "s", "system_id": "here", "source": "router"}


def record(**more: Any) -> OtelEvent:
    what: dict[str, Any] = {"level": "info", "component": "c", "action": "a", "success": True}
    data = otel_record(**WHO, **(what | more))
    assert len(data) <= RECORD_BYTES
    return OtelEvent.from_json(data)


@pytest.mark.parametrize(
    "odd",
    [
        {"component": "", "action": " " * 5000},
        {"component": "x" * 5000},
        {"error": ""},
        {"error": "\ud800"},
        {"error": "e" * 100_000},
        {"error": ValueError("\ud800")},
        {"duration_ms": float("nan")},
        {"duration_ms": -1},
        {"metadata": {"big": 10**400, "bigger": 10**5000}},
        {"metadata": {"deep": [[[[[[[[[[[[["end"]]]]]]]]]]]]]}},
        {"metadata": {"\ud800": "\ud800", "nan": float("nan"), "bytes": b"\xff"}},
        {"metadata": {"long": "m" * 100_000}},
        {"metadata": {str(n): n for n in range(20_000)}},
    ],
    ids=lambda odd: next(iter(odd)),
)
def test_whatever_is_given_becomes_a_valid_bounded_record(odd: dict[str, Any]) -> None:
    if odd == {"metadata": {"long": "m" * 100_000}}:
        assert record(**odd).metadata["cut"] is True
    record(**odd)


def test_an_exception_is_its_type_and_text_without_secrets() -> None:
    assert record(error=ValueError("redis://u:hunter2@h")).error == "ValueError: redis://u:***@h"


def test_a_long_error_says_that_it_was_cut() -> None:
    error = record(error="e" * 100_000).error
    assert error is not None
    assert error == "e" * ERROR_CHARS + "… (cut)"
