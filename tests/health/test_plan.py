"""What follows from transitions: who is told, who is asked, and never twice."""

from __future__ import annotations

import json
from typing import Any

from joelclaw_contracts import HealingRequested, HealthCheck, SendMessage
from joelclaw_health.coverage import ALERT_ONLY, KINDS, RUNTIME_OWNER, row
from joelclaw_health.judge import Judged, Turn
from joelclaw_health.plan import Plan, Voices, plan

HEALER = frozenset({RUNTIME_OWNER})
WHO = Voices("ops", ("room",))


def check(condition: str = "heartbeat", component: str = "router", **more: Any) -> HealthCheck:
    base = {"state": "failing", "latest": "failing", "since_ms": 1, "checked_ms": 1, "first_ms": 1, "repeat": 1}
    return HealthCheck(component=component, condition=condition, reason="it is silent", **{**base, **more})


def planned(turn: Turn, functions: frozenset[str] = HEALER, **more: Any) -> Plan:
    return plan([Judged(check(**more), turn)], [], functions, WHO)


def kinds(made: Plan) -> list[str]:
    return [letter.event for letter in made.letters]


def test_what_opens_is_told_and_its_healer_is_asked() -> None:
    made = planned(Turn.OPENED)
    assert kinds(made) == [SendMessage.event_name, HealingRequested.event_name]
    alert, request = made.letters
    assert alert.id == "health:router:heartbeat:opened:1"
    assert "it is silent" in json.loads(alert.data)["text"]
    asked = HealingRequested.from_json(request.data)
    assert (asked.domain, asked.target_component, asked.playbook.restart) == ("inngest-runtime", "router", ("router",))
    assert (made.checks[0].told, made.checks[0].asked) == (True, True)


def test_without_a_registered_healer_it_is_alert_only_and_says_so() -> None:
    made = planned(Turn.OPENED, functions=frozenset())
    assert kinds(made) == [SendMessage.event_name]
    assert ALERT_ONLY in made.letters[0].data
    assert not made.checks[0].asked


def test_unknown_may_alert_and_restarts_nothing() -> None:
    assert kinds(planned(Turn.UNSEEN, state="unknown")) == [SendMessage.event_name]


def test_what_flaps_calls_a_person_and_no_healer() -> None:
    made = planned(Turn.OPENED, flapping=True, openings=(1, 2, 3))
    assert kinds(made) == [SendMessage.event_name]
    assert "a person is wanted" in made.letters[0].data


def test_a_blind_round_asks_nobody() -> None:
    blind = Judged(check("blindness", "health"), Turn.OPENED)
    made = plan([Judged(check(), Turn.OPENED), blind], [], HEALER, WHO, blind=True)
    assert HealingRequested.event_name not in kinds(made)


def test_resolved_is_told_only_if_opened_was() -> None:
    assert kinds(planned(Turn.RESOLVED, state="ok", told=True)) == [SendMessage.event_name]
    assert kinds(planned(Turn.RESOLVED, state="ok", told=False)) == []


def test_the_end_of_what_was_asked_for_closes_its_incident() -> None:
    made = planned(Turn.RESOLVED, state="ok", told=True, asked=True)
    assert [c[:2] for c in made.closings] == [("inngest-runtime", "router")]
    assert not made.checks[0].asked
    assert planned(Turn.RESOLVED, state="ok", told=True).closings == ()


def test_what_is_retired_while_it_fails_is_told_as_over() -> None:
    made = plan([], [check(told=True), check(component="b")], HEALER, WHO)
    assert [letter.id for letter in made.letters] == ["health:router:heartbeat:resolved:2"]


def test_every_kind_of_check_has_its_line_and_alert_only_is_said_aloud() -> None:
    for condition in KINDS:
        without = row("a", condition, functions=frozenset(), owner="ops")
        assert without.check
        assert without.remediation == ALERT_ONLY
    assert "inngest-runtime" in row("a", "heartbeat", functions=HEALER, owner="ops").remediation
