"""The simulation itself: it replays, it is green, and each promise that is broken on purpose turns it red."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest

from joelclaw_bus.script import Script
from joelclaw_bus.takeover import Takeover
from tests.simulation.faked import FakedServer, library
from tests.simulation.process import SimLeases
from tests.simulation.simulate import Played, play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # many histories each; the time is virtual, the work is not

ROOT = Path(__file__).parents[2]
SEEDS = range(10)
MOST_SEEDS = 60
"""So many histories may pass before a broken promise shows."""


@pytest.fixture(scope="module")
def faked() -> Iterator[FakedServer]:
    if library() is None:
        missing = "faketime is not installed: the simulation can't set a server's clock"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with FakedServer() as server:
        yield server


def test_seeds_keep_every_promise(faked: FakedServer) -> None:
    assert [line for seed in SEEDS for line in play(seed, faked).broken] == []


def test_a_seed_is_the_same_history_each_time(faked: FakedServer) -> None:
    first = [play(seed, faked).digest for seed in SEEDS]
    assert first == [play(seed, faked).digest for seed in SEEDS]
    assert len(set(first)) == len(SEEDS), "and no other seed's"


def test_a_seed_is_the_same_history_in_another_process_and_on_another_server(faked: FakedServer) -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", "7"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True).stdout
    assert f"history {play(7, faked).digest}" in told


def changed(name: str, old: str, new: str) -> Callable[[Script], Script]:
    """A script without one of its promises."""

    def mutate(script: Script) -> Script:
        if name not in (script.name, "*") or (name == "*" and old not in script.text):
            return script
        assert old in script.text, f"{name}.lua has changed: say anew what this test breaks"
        text = script.text.replace(old, new)
        return replace(script, text=text, sha=sha1(text.encode()).hexdigest())

    return mutate


# Who lost an entry is refused by its claim too, so that a history without the owner's check is seldom red: the mutation
# check takes that one away.
BROKEN_SCRIPTS = {
    "ids are forgotten": (changed("publish", "if seen then return", "if false then return"), "zombie|times"),
    "a schedule's mark stays": (changed("tick", "if nominal <= mark", "if false"), "ticked"),
    "what is due comes early": (
        changed("promote", "local now = now_ms()", "local now = now_ms() + 3000"),
        "before it was due",
    ),
    "a wait does not look back": (
        changed("await", "redis.call('XRANGE', KEYS[1], ARGV[4], ARGV[5], 'COUNT', ARGV[7])", "{}"),
        "did not hear",
    ),
    "a limit is none": (changed("acquire", "redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2])", "true"), "are allowed"),
}


@pytest.mark.parametrize("name", BROKEN_SCRIPTS)
def test_a_script_that_breaks_its_promise_is_found(faked: FakedServer, name: str) -> None:
    mutate, says = BROKEN_SCRIPTS[name]
    assert found(lambda seed: play(seed, faked, mutate=mutate), says)


async def _nothing(*_: Any) -> int:
    return 0


BROKEN_LOOPS = {
    "no lease is renewed": (SimLeases, "turn", lambda _: 5.0, "which was well"),
    "nothing is taken over": (Takeover, "step", _nothing, "does not come to rest"),
}


@pytest.mark.parametrize("name", BROKEN_LOOPS)
def test_a_loop_that_does_nothing_is_found(faked: FakedServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    room, part, instead, says = BROKEN_LOOPS[name]
    monkeypatch.setattr(room, part, instead)
    assert found(lambda seed: play(seed, faked), says)


def found(player: Callable[[int], Played], says: str) -> bool:
    """Whether some seed goes red, and says what was broken."""
    return any(re.search(says, line) for seed in range(MOST_SEEDS) for line in player(seed).broken)
