"""The router and the guard over random histories: no budget is ever exceeded, nothing is said or done twice.

| variable        | what it does                                                                     |
|-----------------|----------------------------------------------------------------------------------|
| `POLICY_STEPS`  | how many steps to run at least (4,000; `make policy`: 100,000)                    |
| `POLICY_SEED`   | the seed of the first round, fixed under CI; a failure names that of its own round |
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.virtual import VirtualStore, finished
from tests.policy.book import DAY, HOUR, Book, World
from tests.policy.machine import BEGINNING, BOUNDS, PolicyMachine
from tests.support.seeds import seed_of
from tests.support.server import Server

STEPS = int(os.environ.get("POLICY_STEPS", "4000"))
A_WALK, A_ROUND = 50, 20
MUST_BE_SEEN = {
    *("retry-within-budget", "retry-approved-by-person", "retry-ordered-by-person", "retries-spent", "flapping"),
    *("retries-per-day-spent", "retries-of-all-spent", "pause-reason", "probe-blindness", "storm-of-its-group"),
    *("storm-opened", "kill-switch", "joined", "handed-over", "approval-expired", "deadline-past", "act-permitted"),
    *("acts-per-hour-spent", "acts-of-all-spent", "pause-holds-due-act", "storm-holds-due-act", "page-repeated"),
}
"""A walk that never gets there proves nothing about it: asked after 20,000 steps."""


@pytest.fixture
def policy_server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "policy", aof=False).start()
    yield server
    server.stop()


@pytest.mark.timeout(3600)
def test_no_sequence_of_events_exceeds_any_budget_or_acts_twice(
    policy_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = seed_of("POLICY_SEED")
    store = VirtualStore(policy_server.url, BEGINNING)
    began, done, seen = time.monotonic(), 0, set[str]()
    try:
        while done < STEPS:
            steps, rules = one_round(store, seed)
            done, seen, seed = done + steps, seen | rules, seed + 1
    finally:
        finished(store.close())
        with capsys.disabled():
            print(f"\npolicy: {done} steps in {time.monotonic() - began:.0f} s; the next round is POLICY_SEED={seed}")
    assert done < 20_000 or seen >= MUST_BE_SEEN, sorted(MUST_BE_SEEN - seen)


def one_round(store: VirtualStore, seed: int) -> tuple[int, set[str]]:
    """Some walks; how many steps they had, and which rules decided."""

    class Machine(PolicyMachine):
        pass

    Machine.store, Machine.steps, Machine.seen = store, 0, set()
    hypothesis.seed(seed)(Machine)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=A_ROUND,
            stateful_step_count=A_WALK,
            database=None,
            print_blob=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Machine.steps, "a round without a single step"
    return Machine.steps, Machine.seen


@pytest.mark.parametrize(("window", "limit"), [(HOUR, BOUNDS.all_retries_per_hour), (DAY, BOUNDS.retries_per_day)])
def test_the_judge_would_see_one_too_many(window: int, limit: int) -> None:
    book = Book(BOUNDS)
    target = "a/t1" if window == DAY else ""
    book.scheduled = [(n, target or f"a/t{n}") for n in range(limit + 1)]
    with pytest.raises(AssertionError, match=f"{limit + 1} within"):
        book.check(limit)
    book.scheduled = [(n, target or f"a/t{n}") for n in range(limit)] + [(window, target or "a/x")]
    book.check(window)


def test_the_judge_would_see_an_act_while_stopped_and_one_told_twice() -> None:
    told = {"rule": "act-permitted", "domain": "a", "target": "t1"}
    item = {"target": "otel/event", "event_id": "x"}
    with pytest.raises(AssertionError, match="while stopped"):
        Book(BOUNDS).read(0, item, {"metadata": told}, World(stopped=True))
    book = Book(BOUNDS)
    book.read(0, item, {"metadata": told}, World())
    with pytest.raises(AssertionError, match="told twice"):
        book.read(0, item, {"metadata": told}, World())
