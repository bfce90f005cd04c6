"""Real processes, killed and frozen for real: the work goes on elsewhere, and no recorded step is done twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from joelclaw_bus import Publisher, Store, StoreSettings, open_store
from tests.support.processes import Workers
from tests.support.server import Server
from tests.support.worker_process import Job

pytestmark = pytest.mark.slow


@pytest.fixture
def workers(one_server: Server, tmp_path: Path) -> Iterator[Workers]:
    started = Workers(one_server.url, tmp_path / "ledger")
    yield started
    started.stop()


@pytest.fixture
async def one_store(one_server: Server) -> Store:
    async with open_store(StoreSettings(one_server.url)) as opened:
        yield opened


async def done(store: Store) -> int:
    return int(await store.call("XLEN", "test/done"))


async def test_a_killed_worker_s_run_goes_on_elsewhere_without_repeating_a_step(
    workers: Workers, one_store: Store
) -> None:
    first = workers.start()
    await Publisher(one_store).send(Job(name="a", do="wait at the gate"))
    await workers.wait(act="two")
    first.kill()
    workers.open_the_gate()
    workers.start()
    await workers.wait(fact="RunEnded")
    await workers.wait(fact="OutboxDelivered", kind="event")
    assert len(workers.where(act="one")) == 1
    assert len(workers.where(act="two")) == 2
    assert len(workers.where(act="three")) == 1
    assert await done(one_store) == 1


async def test_a_frozen_worker_that_wakes_up_can_write_nothing(workers: Workers, one_store: Store) -> None:
    first = workers.start()
    await Publisher(one_store).send(Job(name="a", do="wait at the gate"))
    await workers.wait(act="two")
    first.send_signal(signal.SIGSTOP)
    workers.open_the_gate()
    second = workers.start()
    await workers.wait(fact="RunEnded", pid=second.pid)
    first.send_signal(signal.SIGCONT)
    await workers.until(
        lambda: workers.where(fact="WriteRefused", pid=first.pid) + workers.where(fact="LeaseLost", pid=first.pid), 1
    )
    assert not workers.where(fact="RunEnded", pid=first.pid)
    assert not workers.where(act="three", pid=first.pid)
    assert await done(one_store) == 1


async def test_a_blocked_event_loop_keeps_its_lease_for_three_leases(workers: Workers, one_store: Store) -> None:
    workers.start()
    workers.start()
    await Publisher(one_store).send(Job(name="a", do="block", seconds=6))
    await workers.wait(fact="RunEnded")
    assert len(workers.where(act="two")) == 1
    assert not workers.where(fact="TakenOver")


async def test_a_process_whose_loop_is_silent_for_four_leases_ends_itself(workers: Workers, one_store: Store) -> None:
    first = workers.start()
    await Publisher(one_store).send(Job(name="a", do="block", seconds=60))
    await workers.wait(act="two")
    assert first.wait(60) != 0
    assert not workers.where(act="three")


async def test_a_stopping_worker_hands_its_work_back_at_once(
    one_server: Server, tmp_path: Path, one_store: Store
) -> None:
    workers = Workers(one_server.url, tmp_path / "ledger", lease_ms=10_000)
    try:
        first, second = workers.start(), workers.start()
        # Longer than a lease after the workers' first contact with the store, so that takeovers are allowed.
        await Publisher(one_store).send(Job(name="warm"))
        await workers.wait(fact="RunEnded")
        await Publisher(one_store).send(Job(name="a", do="wait at the gate"))
        begun = (await workers.wait(act="two", name="a"))[0]
        holder, other = (first, second) if begun["pid"] == first.pid else (second, first)
        other.send_signal(signal.SIGSTOP)  # else it may take the work over before we look
        holder.send_signal(signal.SIGTERM)
        await workers.wait(ended=True, pid=holder.pid)
        idle = await one_store.call("XPENDING", "test/job", "test/work", "-", "+", 1)
        assert idle[0][2] >= 10_000, "its lease counts as run out"
        other.send_signal(signal.SIGCONT)
        workers.open_the_gate()
        await workers.wait(fact="RunEnded", pid=other.pid, run=f"test/work:{idle[0][0].decode()}")
    finally:
        workers.stop()


async def test_a_poison_is_buried_after_five_begins_and_its_neighbours_live(workers: Workers, one_store: Store) -> None:
    publisher = Publisher(one_store)
    for n in range(4):
        await publisher.send(Job(name=f"innocent-{n}", do="wait", seconds=0.2))
    await publisher.send(Job(name="poison", do="exit"))
    for n in range(4, 8):
        await publisher.send(Job(name=f"innocent-{n}", do="wait", seconds=0.2))
    while not workers.where(fact="RunEnded", status="failed"):
        process = workers.start()
        await workers.until(
            lambda p=process: [{}] if p.poll() is not None else workers.where(fact="RunEnded", status="failed"), 1
        )
    await workers.wait(9, fact="RunEnded")
    letters = await one_store.call("XRANGE", "{test/job}:dead", "-", "+")
    assert len(letters) == 1
    assert b'"poison"' in b"".join(letters[0][1])
    assert len(workers.where(act="two", name="poison")) == 6
    assert await done(one_store) == 8
