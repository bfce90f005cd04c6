"""The page that judges, sample by sample. Times are small numbers: the clock is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from joelclaw_contracts import HealthCheck, Outcome
from joelclaw_health.judge import Judged, Thresholds, Turn, judge
from joelclaw_health.sample import Sample

T = Thresholds(confirmations=3, closings=2, gap_ms=10, grace_ms=0, flap_openings=3, flap_window_ms=10_000)
BASE = 1_000_000
WORDS: dict[str, Outcome] = {"o": "ok", "f": "failing", "u": "unknown"}


def run(letters: str, t: Thresholds = T, every: int = 10, born_ms: int = 0) -> list[Judged]:
    """One component's samples in a row: o, f, u."""
    known: dict[str, HealthCheck] = {}
    found = []
    for number, letter in enumerate(letters, 1):
        at = BASE + number * every
        (judged,) = judge(known, [sample("a", WORDS[letter], at, born_ms and BASE + born_ms)], at, t)
        known["a http"] = judged.check
        found.append(judged)
    return found


def sample(component: str, outcome: Outcome, at: int, born_ms: int = 0) -> Sample:
    return Sample(component, "http", outcome, at, "value", "reason", born_ms)


def turns(judged: Sequence[Judged]) -> list[str]:
    return [j.turn.value for j in judged if j.turn]


def state(letters: str, **how: int) -> str:
    return run(letters, **how)[-1].check.state  # type: ignore[arg-type]  # plain numbers


def test_one_good_sample_makes_a_new_component_well_and_nobody_hears_of_it() -> None:
    assert state("o") == "ok"
    assert turns(run("oooo")) == []


def test_the_third_failing_sample_in_a_row_opens_and_no_earlier_one() -> None:
    assert state("off") == "ok"
    assert turns(run("offffff")) == ["opened"]
    assert state("offoff") == "ok", "a good one begins the count again"


def test_a_component_that_never_was_well_is_new_until_it_is_confirmed() -> None:
    assert state("ff") == "new"
    assert turns(run("fff")) == ["opened"]


def test_two_good_samples_close_and_one_does_not() -> None:
    assert state("offfo") == "failing"
    assert run("offfo")[-1].check.reason == "reason", "the sample's own, where it has one"
    quiet = replace(sample("a", "ok", BASE + 50), reason="")
    (judged,) = judge({"a http": run("offf")[-1].check}, [quiet], BASE + 50, T)
    assert (judged.check.state, judged.check.reason) == ("failing", "well again at 1 of the 2 looks that it takes")


def test_an_unknown_neither_confirms_nor_clears_nor_closes() -> None:
    assert turns(run("offuf")) == ["opened"], "it clears nothing"
    assert turns(run("offuu")) == [], "it confirms nothing"
    assert turns(run("offfouo")) == ["opened"], "the two good ones are not in a row"


def test_what_stays_unknown_is_told_as_unseen_and_never_as_opened() -> None:
    assert turns(run("ouuuuu")) == ["unseen"]
    assert state("ouuu") == "unknown"
    assert turns(run("ouuuoo")) == ["unseen", "resolved"]
    assert turns(run("offfuuuuuu")) == ["opened"], "a failing one does not get better by being unseen"


def test_samples_that_come_too_soon_count_once_but_a_good_one_clears_at_once() -> None:
    assert state("offfff", every=2) == "ok"
    first = Sample("a", "http", "failing", 100)
    (one,) = judge({}, [first], 100, T)
    (soon,) = judge({"a http": one.check}, [Sample("a", "http", "ok", 101)], 101, T)
    assert (soon.check.failing, soon.check.good) == (0, 0)


def test_a_young_component_opens_nothing() -> None:
    grace = Thresholds(confirmations=2, closings=2, gap_ms=0, grace_ms=100)
    assert turns(run("fffff", grace)) == [], "first seen 10 ms ago"
    assert turns(run("o" + "f" * 20, grace, born_ms=100)) == ["opened"]
    assert turns(run("o" + "f" * 18, grace, born_ms=100)) == [], "started at 100: it may take until 200"


def test_the_same_sample_twice_counts_once() -> None:
    (one,) = judge({}, [sample("a", "failing", 10)], 10, T)
    (again,) = judge({"a http": one.check}, [sample("a", "failing", 10)], 20, T)
    assert again.check == one.check


def test_what_opens_three_times_flaps_and_needs_three_times_as_many_good_samples() -> None:
    cycle = "fffoo"
    flapping = run("o" + cycle * 2 + "fff")[-1].check
    assert flapping.flapping
    assert turns(run("o" + cycle * 2 + "fff" + "ooooo")) == ["opened", "resolved"] * 2 + ["opened"]
    assert turns(run("o" + cycle * 2 + "fff" + "oooooo"))[-1] == "resolved"


def test_every_transition_has_a_number_of_its_own() -> None:
    repeats = [j.check.repeat for j in run("offfoofffoo") if j.turn]
    assert repeats == [1, 2, 3, 4]


def test_where_every_component_fails_at_once_the_checker_suspects_itself() -> None:
    known: dict[str, HealthCheck] = {}
    told: list[tuple[str, Turn]] = []
    for at in range(10, 100, 10):
        samples = [sample(name, "failing", at) for name in ("a", "b", "c")] + [sample("health", "ok", at)]
        for judged in judge(known, samples, at, T):
            known[f"{judged.check.component} {judged.check.condition}"] = judged.check
            told += [(judged.check.component, judged.turn)] if judged.turn else []
    assert told == [("health", Turn.OPENED)], "and says so once"
    assert known["a http"].state == "new"
    assert known["a http"].latest == "failing", "what was seen is shown all the same"


def test_one_good_answer_is_sight_enough() -> None:
    samples = [sample("a", "failing", 10), sample("b", "failing", 10), sample("c", "ok", 10)]
    assert [j.check.failing for j in judge({}, samples, 10, T)] == [1, 1, 0, 0]


def test_two_components_are_too_few_to_call_it_blindness() -> None:
    samples = [sample("a", "failing", 10), sample("b", "failing", 10)]
    assert [j.check.failing for j in judge({}, samples, 10, T)] == [1, 1]
