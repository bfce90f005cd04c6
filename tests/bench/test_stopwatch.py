"""The stopwatch sees what a bus loses and doubles, and who fails is named."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from bench.contestants import Contestant
from bench.own_store import OwnStore
from bench.peers import probe, stopwatch
from bench.play import play_row
from bench.rows import Play, Row


class Careless(probe.Bus):
    """Keeps its jobs in a list; loses the last and runs the first one twice, if it is told to."""

    def __init__(self, ask: probe.Ask, careless: bool) -> None:
        super().__init__(ask)
        self.jobs, self.careless = list[int](), careless

    async def open(self) -> None:
        """It has nothing to open."""

    async def close(self) -> None:
        """Nor to close."""

    async def send(self, number: int, *, sent: float = 0.0, at: float = 0.0) -> None:
        self.jobs.append(number)

    async def work(self, handle: probe.Handle, stop: asyncio.Event) -> None:
        jobs = sorted(self.jobs)
        for number in [0, *jobs[:-1]] if self.careless else jobs:
            await handle(number, 0.0)
        await stop.wait()


async def test_a_bus_that_keeps_its_jobs_has_a_speed() -> None:
    ask = probe.Ask("drained", "", 10)
    answer = await probe.drained(Careless(ask, False), ask)
    assert (answer["lost"], answer["doubled"]) == (0, 0)
    assert isinstance(answer["per_second"], float)


async def test_what_is_lost_and_doubled_is_counted_and_has_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "DEADLINE", 0.2)  # how long it looks for the lost one
    ask = probe.Ask("drained", "", 10)
    answer = await probe.drained(Careless(ask, True), ask)
    assert (answer["lost"], answer["doubled"], answer["per_second"]) == (1, 1, None)


async def test_a_worker_that_ends_by_itself_is_an_error() -> None:
    async def ends() -> None:
        return None

    with pytest.raises(RuntimeError, match="ended though nobody stopped it"):
        await probe.until(asyncio.Event(), ends())


class Unused(OwnStore):
    def empty(self) -> None: ...


def test_who_fails_is_left_out_with_its_reason_and_the_others_are_measured() -> None:
    program = 'import sys; print(\'[]\' and \'{"per_second": 5, "count": 3, "lost": 1}\')'
    present = {
        "bus": Contestant("bus", (sys.executable, "-c", program)),
        "arq": Contestant("arq", (sys.executable, "-c", "raise SystemExit('the dog ate it')")),
    }
    row = Row("drained", [Play("bus", "drained", {}), Play("arq", "drained", {}, by="arq")])
    told = list[str]()
    bus, arq = play_row(row, 2, present, Unused("redis://nowhere:1/0", None), told.append)
    assert (bus.value, bus.rounds, bus.lost, bus.broken()) == (5, [5, 5], 2, "2 lost")
    assert (arq.value, arq.error) == (None, "arq failed: the dog ate it")
    assert told == ["drained, round 1: bus", "drained, round 1: arq", "drained, round 2: bus"]


def test_an_adapter_is_there_for_every_pinned_peer() -> None:
    folder = Path(probe.__file__).parent
    pinned = {path.stem for path in folder.glob("*.txt")}
    assert pinned == {path.stem.removeprefix("on_") for path in folder.glob("on_*.py")}
