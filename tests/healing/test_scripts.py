from __future__ import annotations

import pytest

from joelclaw_bus.script import load_script, scripts_of

NAMES = scripts_of("joelclaw_healing")


def test_there_are_scripts() -> None:
    assert {"move", "switch"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_says_what_it_wants_and_what_its_answers_mean(name: str) -> None:
    text = load_script("joelclaw_healing", name).text
    assert text.startswith("#!lua")
    for label in ("-- KEYS: ", "-- ARGV: ", "-- Answers: ", " 0: "):
        assert label in text


@pytest.mark.parametrize("name", NAMES)
def test_a_script_checks_before_it_writes(name: str) -> None:
    """Nothing is rolled back: after the first write no answer may refuse."""
    text = load_script("joelclaw_healing", name).text
    body = text.partition("-- Answers")[2]
    writes = [body.find(f"'{verb}'") for verb in ("SET", "HSET", "DEL", "ZADD", "RPUSH") if f"'{verb}'" in body]
    refusals = [body.find(answer) for answer in ("return 0", "'stopped'}", "'full', tostring") if answer in body]
    if "flags=no-writes" in text.partition("\n")[0]:
        assert not writes
    else:
        assert max(refusals) < min(writes)
