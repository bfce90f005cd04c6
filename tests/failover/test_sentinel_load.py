"""Failovers under load behind sentinels: workers resume by themselves, and each level loses no more than it says."""

from __future__ import annotations

import signal
from pathlib import Path

import anyio
import pytest

from joelclaw_bus import Publisher, StoreRefused, StoreSettings, StoreUnavailable, open_store
from joelclaw_bus.durability import Durability
from tests.failover.kills import SentinelKills, stall
from tests.failover.load import Load, lost_of, write_figure
from tests.support.replicated import Sentinels
from tests.support.worker_process import Job

KILLS = 2


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_nothing_acknowledged_at_replica_is_lost_when_primaries_die(sentinels: Sentinels, tmp_path: Path) -> None:
    account = await Load(sentinels.url, tmp_path, "replica").run(SentinelKills(sentinels), KILLS)
    write_figure(account)
    assert account.lost() == 0, account.line()
    assert account.open_runs == 0
    assert account.restarts == 0, "workers resume without a restart"


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_at_memory_workers_resume_too(sentinels: Sentinels, tmp_path: Path) -> None:
    """How much is lost at this level is chance here: that it can be lost, the next test shows."""
    account = await Load(sentinels.url, tmp_path, "memory").run(SentinelKills(sentinels), KILLS)
    write_figure(account)
    assert account.open_runs == 0
    assert account.restarts == 0


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("level", "kept"), [("memory", False), ("replica", True)])
async def test_an_event_acknowledged_while_no_replica_reads_is_lost_at_memory_alone(
    sentinels: Sentinels, level: str, kept: bool
) -> None:
    """With the replicas stopped and their links full, an answer can only mean the primary's memory."""
    primary, replicas = sentinels.primary(), sentinels.replicas()
    for replica in replicas:
        replica.send(signal.SIGSTOP)
    stall(primary, "failover/filler")
    where = StoreSettings(sentinels.url, deadline=2.0, durability=Durability(level))
    async with open_store(where) as store:
        publisher = Publisher(store)
        acknowledged = True
        try:
            await publisher.send(Job(name="a"), id="a")
        except StoreUnavailable:
            acknowledged = False
        assert acknowledged is not kept
        primary.stop(signal.SIGKILL)
        for replica in replicas:
            replica.send(signal.SIGCONT)
        await anyio.to_thread.run_sync(sentinels.wait_for_another, primary)
        with anyio.fail_after(60):
            while not acknowledged:
                try:
                    await publisher.send(Job(name="a"), id="a")
                    acknowledged = True
                except (StoreUnavailable, StoreRefused):
                    await anyio.sleep(0.2)
            while True:
                try:
                    there = await store.call("XLEN", store.keys.slot(Job.event_name).stream)
                    break
                except (StoreUnavailable, StoreRefused):
                    await anyio.sleep(0.2)
    assert bool(there) is kept


def test_the_account_tells_losses_from_repeats_that_are_allowed() -> None:
    def line(at: float, **what: object) -> dict[str, object]:
        return {"at": at, "pid": 1, **what}

    begun = line(1, fact="RunStarted", run="f:a")
    act, recorded = line(2, act="one", name="a"), line(3, fact="StepRecorded", run="f:a", step="one")
    ended = line(4, fact="RunEnded", run="f:a")
    zombie = [line(1.5, fact="RunStarted", run="f:a") | {"pid": 2}, line(5, act="one", name="a") | {"pid": 2}]
    later = [line(6, fact="RunStarted", run="f:a") | {"pid": 2}, line(7, act="one", name="a") | {"pid": 2}]
    assert lost_of([begun, act, recorded, ended]) == (0, 0)
    assert lost_of([begun, act, recorded, *zombie]) == (0, 0), "fenced, and no loss"
    assert lost_of([begun, act, recorded, ended, *later]) == (1, 1)
