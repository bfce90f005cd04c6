"""The scripts of this room keep the form that all scripts keep."""

from __future__ import annotations

import pytest

from joelclaw_bus.script import load_script, scripts_of

NAMES = scripts_of("joelclaw_backup")


def test_there_are_two() -> None:
    assert NAMES == ["end_lease", "take_lease"]


@pytest.mark.parametrize("name", NAMES)
def test_each_names_its_keys_arguments_and_answers(name: str) -> None:
    text = load_script("joelclaw_backup", name).text
    for word in ("-- KEYS: ", "-- ARGV: ", "-- Answers: "):
        assert word in text
