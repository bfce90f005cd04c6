from __future__ import annotations

import json
from dataclasses import replace

from joelclaw_contracts import Evidence
from joelclaw_healing import AlertText, Incident, State, alert, evidence_summary

INCIDENT = Incident("inc-1", "backup", "redis", State.OPEN, 1, 0, 0, problem="x" * 9_000, owner="ann")
TEXT = AlertText("A person is needed", "retries-spent", (("runbooks", ("a.md", "b.md")), ("skills", ())))


def test_an_alert_names_incident_transition_and_repeat() -> None:
    (first,) = alert(INCIDENT, "escalated", TEXT, channels=(), producer="f")
    (again,) = alert(replace(INCIDENT, alerts=1), "escalated", TEXT, channels=(), producer="f")
    assert (first.id, again.id) == ("inc-1:escalated:1", "inc-1:escalated:2")


def test_an_alert_tells_what_why_who_and_where_to_look() -> None:
    (letter,) = alert(INCIDENT, "escalated", TEXT, channels=("tg:ops",), producer="system/self-healing.router")
    message = json.loads(letter.data)
    assert (message["channel"], message["audit"]) == ("tg:ops", {"producer": "system/self-healing.router"})
    for part in ("A person is needed: backup/redis", "retries-spent", "ann", "heal show inc-1", "runbooks: a.md; b.md"):
        assert part in message["text"]
    assert "skills" not in message["text"]


def test_an_alert_stays_short_and_keeps_its_incident() -> None:
    endless = AlertText("A person is needed", "y" * 9_000, (("links", ("z" * 9_000,)),))
    (letter,) = alert(INCIDENT, "escalated", endless, channels=(), producer="f")
    text = json.loads(letter.data)["text"]
    assert len(text) <= 4_000
    assert "inc-1" in text


def test_every_channel_of_an_owner_gets_its_own_letter() -> None:
    letters = alert(INCIDENT, "escalated", TEXT, channels=("a", "b"), producer="f")
    assert [letter.id for letter in letters] == ["inc-1:escalated:1", "inc-1:escalated:1:b"]


def test_evidence_is_summed_up_with_six_samples() -> None:
    items = [Evidence(type="log" if n % 2 else "redis", detail=f"d{n}" * 200) for n in range(10)]
    summary = evidence_summary(items)
    assert (summary["count"], len(summary["samples"]), summary["types"]) == (10, 6, {"redis": 5, "log": 5})
    assert all(len(sample) < 220 for sample in summary["samples"])


def test_a_summary_of_evidence_shows_no_secret_not_even_half_of_one() -> None:
    long = "x" * 190 + " password=hunter2hunter2"
    items = [
        Evidence(type="log", detail=f"REDIS_URL=redis://:hunter2@nas/0 {long}"),
        Evidence(type="note", detail=long),
    ]
    assert "hunter" not in str(evidence_summary(items)["samples"])
