"""The real scripts against a specification in plain Python, over random walks through all that can happen.

| variable       | what it does                                                                            |
|----------------|-----------------------------------------------------------------------------------------|
| `MODEL_STEPS`  | how many steps to run at least on the first server (10,000; others get a fifth of it)   |
| `MODEL_SEED`   | the seed of the first round, fixed under CI; a failure names the seed of its own round  |
| `MODEL_BLOB`   | what hypothesis prints of a failure (`reproduce_failure`): runs that walk alone         |
| `MODEL_SHRINK` | 0: the first failure as it came, without looking for the shortest                       |
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import BusMachine
from tests.model.sides import BEGINNING
from tests.model.virtual import VirtualStore, finished
from tests.support.seeds import seed_of
from tests.support.server import Server

STEPS = int(os.environ.get("MODEL_STEPS", "10000"))
A_WALK, A_ROUND = 50, 40
"""Steps of a walk, walks of a round: each round has a seed of its own, so that a failure is soon there again."""
SERVERS = {"plain": 1, "cluster": 5, "redis": 5}
"""By what the number of steps is divided: the model is the same, and so are the scripts."""


@pytest.fixture(params=SERVERS)
def model_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A store that keeps nothing on disk: what is on trial is what the scripts do."""
    binary = shutil.which("redis-server") if request.param == "redis" else None
    if request.param == "redis" and binary is None:
        missing = "redis-server is not installed: the model is not held against the oldest server"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    server = Server(tmp_path / "model", cluster=request.param == "cluster", binary=binary, aof=False).start()
    yield server
    server.stop()


@pytest.mark.timeout(3600)
def test_the_bus_does_what_the_specification_says(
    model_server: Server, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = STEPS // SERVERS[request.node.callspec.params["model_server"]]
    seed = seed_of("MODEL_SEED")
    blob = os.environ.get("MODEL_BLOB")
    store = VirtualStore(model_server.url, BEGINNING)
    began, done = time.monotonic(), 0
    try:
        while done < wanted:
            done += one_round(store, seed, blob)
            if blob:
                return
            seed += 1
    finally:
        finished(store.close())
        with capsys.disabled():
            print(f"\nmodel: {done} steps in {time.monotonic() - began:.0f} s; the next round is MODEL_SEED={seed}")
    assert done >= wanted


def one_round(store: VirtualStore, seed: int, blob: str | None) -> int:
    """Some walks; how many steps they had."""

    class Machine(BusMachine):
        pass

    Machine.store, Machine.steps = store, 0
    hypothesis.seed(seed)(Machine)
    if blob:
        hypothesis.reproduce_failure(hypothesis.__version__, blob.encode())(Machine)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=A_ROUND,
            stateful_step_count=A_WALK,
            database=None,
            print_blob=True,
            deadline=None,
            phases=[Phase.generate] + [Phase.shrink] * (os.environ.get("MODEL_SHRINK") != "0"),
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Machine.steps, "a round without a single step"
    return Machine.steps
