"""Failovers under load behind sentinels: workers resume by themselves, and each level loses no more than it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.failover.kills import SentinelKills
from tests.failover.load import Load, lost_of, write_figure
from tests.support.replicated import Sentinels

KILLS = 2


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_nothing_acknowledged_at_replica_is_lost_when_primaries_die(sentinels: Sentinels, tmp_path: Path) -> None:
    account = await Load(sentinels.url, tmp_path, "replica").run(SentinelKills(sentinels), KILLS)
    write_figure(account)
    assert account.lost() == 0, account.line()
    assert account.open_runs == 0
    assert account.restarts == 0, "workers resume without a restart"


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_at_memory_the_same_deaths_lose_what_no_replica_had(sentinels: Sentinels, tmp_path: Path) -> None:
    """The level that promises nothing here: it shows that the account above can tell a loss. Workers resume too."""
    account = await Load(sentinels.url, tmp_path, "memory").run(SentinelKills(sentinels), KILLS)
    write_figure(account)
    assert account.lost() > 0, account.line()
    assert account.open_runs == 0
    assert account.restarts == 0


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
