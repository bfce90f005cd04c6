"""Every rule of the guard is known to a test, has a status of the contract, and an evidence of its own."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from joelclaw_contracts import Status
from joelclaw_healing.guard_rules import Rule, rule_named

TESTS = [
    *Path(__file__).parent.glob("test_guard*.py"),
    *(Path(__file__).parents[1] / "runtime_remediator").glob("*.py"),
]
SEEN = "\n".join(path.read_text() for path in TESTS if path.name != Path(__file__).name)


@pytest.mark.parametrize("rule", Rule, ids=str)
def test_a_test_sees_every_rule(rule: Rule) -> None:
    assert f"Rule.{rule.name}" in SEEN or str(rule) in SEEN
    assert rule.status in get_args(Status)
    assert rule_named(str(rule)) is rule


def test_a_person_hears_of_what_needs_one() -> None:
    assert {str(rule) for rule in Rule if rule.alert} == {
        *("interrupted-act", "action-off", "acts-per-hour-spent", "acts-per-day-spent", "group-share-spent"),
        "acts-of-all-spent",
        *("act-failed", "act-unverified"),
    }
