"""F10: wrong clocks. Nothing is early by the server's clock, and no lease is stolen when it jumps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from joelclaw_bus import Event, Functions, Publisher, Step, StoreSettings, event, open_store
from joelclaw_bus.observer import Discontinuity, LeaseLost, RunEnded, RunStarted, TakenOver, WriteRefused
from tests.faults.everything import Job
from tests.support.clocks import SetClock, shifted
from tests.support.processes import Workers
from tests.support.server import Server
from tests.support.waiting import later, until
from tests.support.worker_process import Job as LedgerJob
from tests.support.workers import working

pytestmark = pytest.mark.slow


@pytest.fixture
def workers(one_server: Server, tmp_path: Path) -> Iterator[Workers]:
    started = Workers(one_server.url, tmp_path / "ledger", lease_ms=4_000)
    yield started
    started.stop()


async def test_workers_whose_clocks_are_minutes_off_do_nothing_early_and_steal_nothing(
    workers: Workers, one_server: Server
) -> None:
    for off in ("+5m", "-5m"):
        workers.start(shifted(off))
    began = time.time()
    async with open_store(StoreSettings(one_server.url, deadline=30)) as store:
        told = sorted(line["at"] - began for line in await workers.wait(2, within=60, started=True))
        assert told[0] < -200, "its clock is not off"
        assert told[1] > 200, "its clock is not off"
        for n in range(6):
            await Publisher(store).send(LedgerJob(name=f"long-{n}", do="wait", seconds=6))
        due = await store.time_ms() + 2_000
        for n in range(6):
            await Publisher(store).send(LedgerJob(name=f"due-{n}"), at_ms=due)
        await workers.wait(12, within=60, fact="RunEnded")
        # Only entries that were made when they were due: a stream's ids are the server's time.
        entries = [int(entry.split(b"-")[0]) for entry, _ in await store.call("XRANGE", "test/job", "-", "+")]
    assert sum(at >= due for at in entries) == 6
    assert not workers.where(fact="TakenOver")
    assert not workers.where(fact="WriteRefused")
    assert Counter(line["name"] for line in workers.where(act="two")) == {
        f"{kind}-{n}": 1 for kind in ("long", "due") for n in range(6)
    }


@pytest.fixture
def clock(tmp_path: Path) -> SetClock:
    return SetClock(tmp_path / "clock")


@pytest.fixture
def clock_server(tmp_path: Path, clock: SetClock) -> Iterator[Server]:
    server = Server(tmp_path / "own", env=clock.env).start()
    yield server
    server.stop()


@pytest.mark.parametrize("jump", ["+1m", "-1m"])
async def test_a_server_whose_clock_is_set_steals_no_lease_and_wakes_nobody_early(
    clock_server: Server, clock: SetClock, jump: str
) -> None:
    functions, early, acts = Functions(), list[str](), Counter[str]()

    @functions.function("test/long", on=[event(Job)], retries=1)
    async def long(e: Event[Job], step: Step) -> None:
        if e.data.name.startswith("due:") and step.now_ms < int(e.data.name[4:]):
            early.append(e.data.name)
        acts[e.data.name] += 1
        await anyio.sleep(3)  # three leases, over the jump

    async with (
        open_store(StoreSettings(clock_server.url, deadline=30)) as one,
        open_store(StoreSettings(clock_server.url, deadline=30)) as other,
        working(one, functions, lease_ms=1_000) as seen,
        working(other, functions, lease_ms=1_000, seen=seen),
    ):
        await later(one, 1_500)  # both may take over by now
        for n in range(6):
            await Publisher(one).send(Job(name=f"long-{n}"))
        await seen.wait(RunStarted, 6)
        due = await one.time_ms() + (1_500 if jump[0] == "+" else -57_000)
        before = await one.time_ms()
        clock.set(jump)

        async def is_set() -> bool:
            return abs(await one.time_ms() - before) > 50_000

        await until(is_set)
        await Publisher(one).send(Job(name=f"due:{due}"), at_ms=due)
        await seen.wait(RunEnded, 7)
        await seen.wait(Discontinuity)
    assert not early
    assert set(acts.values()) == {1}
    assert not [f for f in seen.all(TakenOver) if f.entries]
    assert not seen.all(LeaseLost)
    assert not seen.all(WriteRefused)
