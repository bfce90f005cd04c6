"""F15: the store comes back with older data while workers live: a cut append-only file, or a restored backup.

What was acknowledged before the cut is there; of what is there every run ends; what is lost is told.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from joelclaw_bus import Event, Functions, Publisher, Step, Store, StoreSettings, event, open_store, trouble
from joelclaw_bus.observer import Discontinuity, RunEnded, StoreBack, StreamLost, WorkerFault
from tests.faults.everything import Job
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.waiting import until
from tests.support.workers import working

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CUTS = 20


def steps() -> Functions:
    functions = Functions()

    @functions.function("test/steps", on=[event(Job)], retries=1)
    async def steps(e: Event[Job], step: Step) -> str:
        await step.run("one", lambda: 1)
        await step.sleep("rest", 0.05)
        return await step.run("two", lambda: "done")

    return functions


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "LONGEST_WAIT", 0.1)


async def names_in(store: Store) -> dict[str, str]:
    """The ids of the events that the stream has, each with its run's state."""
    rows: Any = await store.call("XRANGE", "test/job", "-", "+")
    ids = [dict(zip(flat[::2], flat[1::2], strict=True))[b"id"].decode() for _, flat in rows]
    slot = store.keys.slot("test/job")
    states = await store.calls([("HGET", slot.run(f"test/steps:{id}"), "state") for id in ids])
    return dict(zip(ids, [(s or b"no record").decode() for s in states], strict=True))


async def all_ended(store: Store) -> None:
    slot = store.keys.slot("test/job")

    async def quiet() -> bool:
        states = set((await names_in(store)).values())
        pending = [
            (await store.call("XPENDING", stream, "test/steps"))[0]
            for stream in (slot.stream, slot.ready("test/steps"))
        ]
        return states == {"ended"} and pending == [0, 0] and await store.call("ZCARD", slot.open) == 0

    await until(quiet)
    assert await store.call("ZCARD", slot.due) == 0
    assert await store.call("XLEN", slot.dead) == 0


class Load:
    """Sends events; `acknowledged`: those whose sending the store answered."""

    def __init__(self, store: Store) -> None:
        self.store, self.acknowledged = store, list[str]()

    async def send(self, count: int) -> None:
        for _ in range(count):
            name = f"job-{len(self.acknowledged)}"
            await Publisher(self.store).send(Job(name=name), id=name)
            self.acknowledged.append(name)


async def back(seen: Seen, times: int) -> None:
    await seen.wait(StoreBack, times)


async def test_what_was_acknowledged_before_the_cut_is_there_and_every_run_of_it_ends(own_server: Server) -> None:
    dice, server = random.Random(4), own_server
    async with open_store(StoreSettings(server.url)) as store, working(store, steps(), lease_ms=600) as seen:
        load = Load(store)
        for cut in range(1, CUTS + 1):
            await load.send(5)
            safe, file = len(load.acknowledged), server.aof_files()[-1]
            size = file.stat().st_size
            await load.send(dice.randrange(6))
            server.stop()
            with file.open("r+b") as opened:
                opened.truncate(dice.randint(size, file.stat().st_size))
            server.start()
            await back(seen, cut)
            left = await names_in(store)
            assert set(load.acknowledged[:safe]) <= set(left), f"cut {cut}: acknowledged with fsync, and gone"
            load.acknowledged = list(left)
        await all_ended(store)
    assert not seen.all(WorkerFault)
    assert seen.all(Discontinuity)
    assert {f"test/steps:{name}" for name in load.acknowledged} <= {f.run for f in seen.all(RunEnded)}


async def test_a_restored_older_backup_is_told_as_a_loss_and_nothing_is_stuck(
    own_server: Server, tmp_path: Path
) -> None:
    server, copy = own_server, tmp_path / "backup"
    async with open_store(StoreSettings(server.url)) as store, working(store, steps(), lease_ms=600) as seen:
        load = Load(store)
        await load.send(10)
        shutil.copytree(server.directory / "appendonlydir", copy)
        kept = set(load.acknowledged)
        await load.send(20)
        await seen.wait(RunEnded, 15)
        server.stop()
        shutil.rmtree(server.directory / "appendonlydir")
        shutil.copytree(copy, server.directory / "appendonlydir")
        server.start()
        await back(seen, 1)
        [lost] = await seen.wait(StreamLost)
        assert set(await names_in(store)) == kept
        await all_ended(store)
        await Publisher(store).send(Job(name="after"), id="after")
        await seen.wait(RunEnded, where=lambda f: f.run == "test/steps:after")
    assert lost.stream == "test/job"
    assert len(seen.all(StreamLost)) == 1
    assert not seen.all(WorkerFault)
