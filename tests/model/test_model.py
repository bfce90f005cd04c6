"""The real scripts against a specification in plain Python, over random sequences of all that can happen.

| variable       | what it does                                                                             |
|----------------|------------------------------------------------------------------------------------------|
| `MODEL_STEPS`  | how many steps to run at least on the first server (10,000; others get a fifth of it)    |
| `MODEL_SEED`   | the seed (drawn and printed when there is none)                                          |
| `MODEL_REPLAY` | the blob of a failure: runs that sequence alone                                          |
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import BusMachine
from tests.model.virtual import VirtualStore, finished
from tests.model.world import BEGINNING
from tests.support.server import Server

STEPS = int(os.environ.get("MODEL_STEPS", "10000"))
A_WALK = 50
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
    seed = int(os.environ.get("MODEL_SEED", random.randrange(2**32)))
    store = VirtualStore(model_server.url, BEGINNING)

    class Machine(BusMachine):
        pass

    Machine.store, Machine.steps = store, 0
    hypothesis.seed(seed)(Machine)
    replay = os.environ.get("MODEL_REPLAY")
    if replay:
        hypothesis.reproduce_failure(hypothesis.__version__, replay.encode())(Machine)
    began = time.monotonic()
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=max(1, -(-wanted * 11 // (A_WALK * 10))),
                stateful_step_count=A_WALK,
                database=None,
                print_blob=True,
                deadline=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        finished(store.close())
        with capsys.disabled():
            print(f"\nmodel: {Machine.steps} steps in {time.monotonic() - began:.0f} s, MODEL_SEED={seed}")
    assert replay or Machine.steps >= wanted, f"only {Machine.steps} of {wanted} steps were run"
