"""Health's scripts keep the form that all scripts have."""

from __future__ import annotations

import pytest

from joelclaw_bus.script import load_script, scripts_of

NAMES = scripts_of("joelclaw_health")


def test_there_are_the_one_that_writes_a_round_and_the_one_that_remembers_an_alert() -> None:
    assert NAMES == ["remember", "turn"]


@pytest.mark.parametrize("name", NAMES)
def test_a_script_says_what_it_wants_and_checks_before_it_writes(name: str) -> None:
    text = load_script("joelclaw_health", name).text
    assert text.startswith("#!lua")
    for label in ("-- KEYS: ", "-- ARGV: ", "-- Answers: ", " 0: "):
        assert label in text
    body = text.partition("-- Answers")[2]
    first_write = min(at for at in (body.find("'INCR'"), body.find("'SET'")) if at > 0)
    assert 0 < body.find("return 0") < first_write
