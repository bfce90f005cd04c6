"""Health's scripts keep the form that all scripts have."""

from __future__ import annotations

import pytest

from joelclaw_bus.script import load_script, scripts_of

NAMES = scripts_of("joelclaw_health")


def test_there_is_the_one_that_writes_a_round() -> None:
    assert NAMES == ["turn"]


@pytest.mark.parametrize("name", NAMES)
def test_a_script_says_what_it_wants_and_checks_before_it_writes(name: str) -> None:
    text = load_script("joelclaw_health", name).text
    assert text.startswith("#!lua")
    for label in ("-- KEYS: ", "-- ARGV: ", "-- Answers: ", " 0: "):
        assert label in text
    body = text.partition("-- Answers")[2]
    assert body.find("return 0") < body.find("'INCR'")
