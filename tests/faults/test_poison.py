"""F12: handlers that end or freeze their process: buried after so many begins without an end, and they alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from joelclaw_bus import Limits, Publisher, Store, StoreSettings, open_store
from tests.support.processes import Workers
from tests.support.server import Server
from tests.support.worker_process import POISONS, Job

pytestmark = pytest.mark.slow
KILLS = [name for name in POISONS if name != "memory refused"]
BEGINS = Limits().begins


@pytest.fixture
def workers(one_server: Server, tmp_path: Path) -> Iterator[Workers]:
    # A lease that a busy machine does not outlast between two looks: else every look is a discontinuity.
    started = Workers(one_server.url, tmp_path / "ledger", lease_ms=1_000, begins=BEGINS)
    yield started
    started.stop()


async def letters(store: Store) -> list[dict[bytes, bytes]]:
    rows: Any = await store.call("XRANGE", store.keys.slot("test/job").dead, "-", "+")
    return [dict(zip(flat[::2], flat[1::2], strict=True)) for _, flat in rows]


@pytest.mark.timeout(600)
async def test_each_poison_is_buried_and_none_of_a_hundred_neighbours(workers: Workers, one_server: Server) -> None:
    async with open_store(StoreSettings(one_server.url, deadline=30)) as store:
        publisher = Publisher(store)
        poisons = list(POISONS)
        for n in range(100):
            if n % 14 == 7 and poisons:
                await publisher.send(Job(name=f"poison: {poisons[-1]}", do=poisons.pop()))
            await publisher.send(Job(name=f"neighbour-{n}"))
        with anyio.fail_after(540):
            # By the store, not by the facts: a process may die between a deed and its telling.
            while len(buried := await letters(store)) + await store.call("XLEN", "test/done") < len(POISONS) + 100:
                workers.keep(3)
                await anyio.sleep(0.1)
        done = await store.call("XLEN", "test/done")
    names = sorted(letter[b"e:data"].decode() for letter in buried)
    assert len(names) == len(POISONS)
    assert all('"poison: ' in name for name in names), "an innocent was buried"
    assert done == 100
    for letter in buried:
        assert letter[b"run"], "a letter names its run"
        if b'"memory refused"' in letter[b"e:data"]:
            assert b"MemoryError" in letter[b"error"]
            assert (b"x:1" in letter, b"x:2" in letter) == (True, True), "its history: an error for each attempt"
        else:
            assert f"poisoned: {BEGINS} begins without an end".encode() in letter[b"error"]
    # A begin counts from its fence on, and another poison may end the process before the handler comes to its deed.
    deeds = {kill: len(workers.where(act="two", name=f"poison: {kill}")) for kill in KILLS}
    assert all(1 <= count <= BEGINS + 1 for count in deeds.values()), deeds
