"""What was decided, decided again from the audit; and what another configuration would have decided."""

from __future__ import annotations

from typing import Any

from joelclaw_contracts import Budgets, Config, RouterKnobs
from joelclaw_healing import Ledger, PauseReason, Voice
from joelclaw_healing.closing import close_incident
from joelclaw_router.rulebook import Rulebook
from joelclaw_router.whatif.history import History, history_of
from joelclaw_router.whatif.replay import replay
from joelclaw_router.whatif.simulate import Course, Spent, recorded, simulate
from tests.router.conftest import CONFIG, MakeDesk, backup, healing, seen_to

VOICE = Voice("router", "test", "s1")
MINUTE = 60_000


async def failing_until_exhausted(make_desk: MakeDesk, ledger: Ledger) -> tuple[str, list[dict[str, Any]]]:
    """The record of an incident whose every retry fails, with a second report that joins."""
    desk = make_desk(CONFIG, 0.25)
    outcome = await desk.decide(healing("0-0"))
    for n in range(1, 20):
        await desk.decide(healing(f"{n}-1"))  # health re-sends: it joins
        if outcome["act"] is None:
            break
        await seen_to(desk, outcome)
        outcome = await desk.decide(healing(f"{n}-0"))
    found, lines = await ledger.show(outcome["incident"])
    assert found.state.value == "escalated"
    return found.id, lines


async def test_a_recorded_incident_is_decided_again_to_the_identical_decisions(
    make_desk: MakeDesk, ledger: Ledger
) -> None:
    _, lines = await failing_until_exhausted(make_desk, ledger)
    rows = replay(lines)
    assert {row.recorded["rule"] for row in rows} >= {"retry-within-budget", "joined", "retries-spent"}
    assert [row.differs for row in rows] == [()] * len(rows)


async def test_a_hold_and_what_followed_it_are_decided_again_too(make_desk: MakeDesk, ledger: Ledger) -> None:
    desk = make_desk(CONFIG, 0.75)
    outcome = await desk.decide(backup(error="something nobody has seen"))
    again = await seen_to(desk, outcome)
    assert (outcome["rule"], again["rule"]) == ("hold-unknown-failure", "retry-within-budget")
    _, lines = await ledger.show(outcome["incident"])
    assert [row.same for row in replay(lines)] == [True, True]


async def test_an_altered_record_is_noticed(make_desk: MakeDesk, ledger: Ledger) -> None:
    _, lines = await failing_until_exhausted(make_desk, ledger)
    first = next(line for line in lines if "failure" in line)
    for change in (
        {"at": first["at"] + 5},
        {"policy": {**first["policy"], "max_retries": 0}},
        {"budgets": {"retries_today": 99}},
        {"decision": {**first["decision"], "delay_ms": 2}},
    ):
        assert not replay([{**first, **change}])[0].same, change
    [unreadable] = replay([{**first, "policy": {}}])
    assert "can't be read" in unreadable.differs[0]


def line(at: int, decision: str, verdict: str, *, attempt: int = 0, error_route: str = "") -> dict[str, Any]:
    """One audit line as the router writes it, with the defaults of the policy."""
    policy = Rulebook(Config()).policy("gateway-bridge", healing().wish, None)
    return {
        "at": at,
        "move": f"answer:x:{at}",
        "what": verdict,
        "failure": {
            **{"domain": "gateway-bridge", "target": "bridge", "kind": "transient", "deadline_ms": 0},
            **{"window_end_ms": 0, "defer": False, "route": error_route or "system/health.check.requested"},
            **{"route_trouble": None, "route_detail": ""},
        },
        "incident": {"state": "open", "attempt": attempt, "holds": 0, "last_act": "", "act_due_ms": 0},
        "request": {"wish": {}},
        "policy": {name: getattr(policy, name) for name in policy.__slots__},
        "budgets": {"retries_today": 0},
        "dice": 0.0,
        "decision": {"rule": decision, "verdict": verdict},
    }


def healed_by_the_second_retry() -> History:
    """Reported at 0, retried after 5 min, failed again a minute later, retried 10 min after that, well 2 min later."""
    lines = [
        line(0, "retry-within-budget", "retry"),
        {"at": 5 * MINUTE, "move": "due:1", "what": "handed over"},
        line(6 * MINUTE, "retry-within-budget", "retry", attempt=1),
        {"at": 16 * MINUTE, "move": "due:2", "what": "handed over"},
    ]
    history = history_of("inc-1", lines, closed_ms=18 * MINUTE, resolved=True)
    assert history is not None
    return history


def test_the_present_configuration_retells_what_happened() -> None:
    history = healed_by_the_second_retry()
    as_it_was = recorded(history)
    assert as_it_was == Course(2, 0, 0, 18 * MINUTE, "retry-within-budget")
    assert simulate(history, Rulebook(Config()), Spent()) == as_it_was


def test_shorter_waits_would_have_tried_more_often_and_healed_sooner() -> None:
    quick = Config(healing_router=RouterKnobs(sleep_min_ms=MINUTE, sleep_max_ms=2 * MINUTE))
    course = simulate(healed_by_the_second_retry(), Rulebook(quick), Spent())
    # 1, then 2 minutes, each failure told a minute later: retries at 1, 4 and 7 min; from 6 min on one succeeds.
    assert course == Course(3, 0, 0, 9 * MINUTE, "retry-within-budget")


def test_fewer_retries_would_have_called_a_person() -> None:
    strict = Config(healing_router=RouterKnobs(max_retries=1))
    course = simulate(healed_by_the_second_retry(), Rulebook(strict), Spent())
    assert course == Course(1, 0, 1, None, "retries-spent")


def test_a_day_s_budget_counts_over_all_incidents_of_a_target() -> None:
    rules, spent = Rulebook(Config(budgets=Budgets(retries_per_day=3))), Spent()
    courses = [simulate(healed_by_the_second_retry(), rules, spent) for _ in range(2)]
    assert [c.retries for c in courses] == [2, 1]
    assert courses[1].last_rule == "retries-per-day-spent"


def test_what_healed_by_itself_heals_by_itself_under_any_configuration() -> None:
    history = history_of("inc-2", [line(0, "retry-within-budget", "retry")], closed_ms=2 * MINUTE, resolved=True)
    assert history is not None
    for config in (Config(), Config(healing_router=RouterKnobs(max_retries=0))):
        assert simulate(history, Rulebook(config), Spent()).recovery_ms == 2 * MINUTE


def test_a_route_that_would_not_be_allowed_calls_a_person() -> None:
    lines = [line(0, "retry-within-budget", "retry", error_route="shop/order.retry")]
    history = history_of("inc-3", lines)
    assert history is not None
    assert simulate(history, Rulebook(Config()), Spent()) == Course(0, 0, 1, None, "route-not-allowed")


async def test_a_closed_incident_is_simulated_from_its_real_record(make_desk: MakeDesk, ledger: Ledger) -> None:
    desk = make_desk(CONFIG, 0.5)
    outcome = await desk.decide(healing("1-0"))
    await seen_to(desk, outcome)
    assert await close_incident(ledger, outcome["incident"], by="test", detail="well", voice=VOICE, channels=())
    found, lines = await ledger.show(outcome["incident"])
    history = history_of(found.id, lines, closed_ms=found.closed_ms, resolved=found.end == "resolved")
    assert history is not None
    course = simulate(history, Rulebook(CONFIG), Spent())
    assert (course.retries, course.pages) == (recorded(history).retries, 0) == (1, 0)
    assert course.recovery_ms is not None


async def test_what_was_paused_stormy_or_flapping_is_decided_again_the_same(
    make_desk: MakeDesk, ledger: Ledger
) -> None:
    """What bore on a decision stands in its record, so that it needs no store to be decided again."""
    desk, now = make_desk(Config()), await ledger.store.time_ms()
    await ledger.pause(PauseReason("p1", "domain:paused", "joel", "why", now, now + 3_600_000))
    outcomes = [await desk.decide(healing("p", domain="paused"))]
    for n in range(5):
        outcomes.append(await desk.decide(healing(f"s{n}", domain="stormy", targetComponent=f"t{n}")))
    for n in range(3):
        outcomes.append(await desk.decide(healing(f"f{n}", domain="flapping")))
        if n < 2:
            assert await close_incident(ledger, outcomes[-1]["incident"], by="probe", detail="well", voice=VOICE)
    assert {o["rule"] for o in outcomes} >= {"pause-reason", "storm-of-its-group", "flapping"}
    for incident in {o["incident"] for o in outcomes}:
        _, lines = await ledger.show(incident)
        rows = replay(lines)
        assert rows
        assert all(row.same for row in rows), rows


async def test_a_storm_under_another_limit_would_have_been_retries(make_desk: MakeDesk, ledger: Ledger) -> None:
    for n in range(5):
        outcome = await make_desk(Config()).decide(healing(f"s{n}", targetComponent=f"t{n}"))
    found, lines = await ledger.show(outcome["incident"])
    history = history_of(found.id, lines)
    assert history is not None
    assert simulate(history, Rulebook(Config()), Spent()).last_rule == "storm-of-its-group"
    calm = Rulebook(Config(budgets=Budgets(storm_targets=6)))
    assert simulate(history, calm, Spent()).retries > 0


def test_a_record_of_before_the_whole_policy_is_still_read() -> None:
    old = line(0, "retry-within-budget", "retry")
    new = {"all_retries_per_hour", "storm_targets", "storm_window_ms", "storm_cool_down_ms", "approval_ms"}
    old["policy"] = {k: v for k, v in old["policy"].items() if k not in new and not k.startswith("flap_")}
    old["failure"] = {k: v for k, v in old["failure"].items() if k not in ("group", "approved_by")}
    (row,) = replay([old])
    assert row.differs == () or "can't be read" not in row.differs[0]
