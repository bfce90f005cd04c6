from __future__ import annotations

from dataclasses import replace

from joelclaw_healing.incident import Act, End, Incident, Kind, State, new_incident_id, target_key
from joelclaw_healing.lifecycle import (
    REOPEN_WITHIN_MS,
    Report,
    barred,
    closed,
    escalated,
    moved,
    next_decision_id,
    reported,
    scheduled,
    served,
)

NOW = 1_700_000_000_000
REPORT = Report("req:1", "webhooks", "github", NOW - 5, owner="ann", deadline_ms=NOW + 9_000, problem="502")
ACT = Act("inc:1", Kind.RETRY, NOW + 100, "some/event", "{}")


def opened() -> Incident:
    return moved(None, reported(None, REPORT, NOW), NOW)


def test_the_first_failure_opens() -> None:
    incident = opened()
    assert (incident.state, incident.seq, incident.requests, incident.attempt) == (State.OPEN, 1, 1, 0)
    assert (incident.owner, incident.deadline_ms, incident.first_failure_ms) == ("ann", NOW + 9_000, NOW - 5)


def test_an_incident_survives_the_store_as_it_was() -> None:
    full = replace(opened(), act=ACT, watchers=("bob", "ü"), barred="route-missing", end="resolved", holds=2)
    assert Incident.from_fields(full.to_fields()) == full
    assert Incident.from_fields({**opened().to_fields(), "field_of_tomorrow": "1"}) == opened()


def test_a_later_owner_watches_and_the_earliest_deadline_binds() -> None:
    later = reported(opened(), replace(REPORT, owner="bob", deadline_ms=NOW + 50), NOW)
    again = reported(later, replace(REPORT, owner="bob", deadline_ms=0), NOW)
    assert (again.owner, again.watchers, again.deadline_ms, again.requests) == ("ann", ("bob",), NOW + 50, 3)


def test_a_failure_within_an_hour_of_closing_reopens_with_attempts_kept() -> None:
    over = closed(replace(opened(), attempt=3), end=End.RESOLVED, by="probe", now=NOW)
    back = reported(over, replace(REPORT, cause="req:2"), NOW + REOPEN_WITHIN_MS)
    assert (back.id, back.state, back.attempt, back.reopened, back.end) == (over.id, State.OPEN, 3, 1, "")


def test_a_failure_after_that_hour_is_another_incident() -> None:
    over = closed(replace(opened(), attempt=3), end=End.RESOLVED, by="probe", now=NOW)
    new = moved(over, reported(over, replace(REPORT, cause="req:2"), NOW + REOPEN_WITHIN_MS + 1), NOW)
    assert new.id != over.id
    assert (new.attempt, new.seq) == (0, 1)


def test_an_attempt_counts_when_its_act_is_served_and_a_hold_counts_too() -> None:
    retried = served(scheduled(opened(), ACT))
    held = served(scheduled(retried, replace(ACT, kind=Kind.PAUSE)))
    assert (retried.attempt, retried.holds, retried.last_act, retried.act) == (1, 0, "retry", None)
    assert (held.attempt, held.holds, held.last_act) == (2, 1, "pause")


def test_every_decision_has_an_id_of_its_own() -> None:
    incident = opened()
    ids = []
    for step in (lambda i: scheduled(i, ACT), lambda i: barred(i, "r"), lambda i: escalated(i, alerts=1)):
        ids.append(next_decision_id(incident))
        incident = step(incident)
    assert len(set(ids)) == 3


def test_identities_that_look_alike_when_joined_are_kept_apart() -> None:
    assert target_key("a", "b/c") != target_key("a/b", "c")
    assert new_incident_id("a", "b", "x") == new_incident_id("a", "b", "x") != new_incident_id("a", "b", "y")
