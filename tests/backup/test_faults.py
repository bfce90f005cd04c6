"""The table of faults and some kills, as `make backup-faults` runs them with more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backup.conftest import AT_ONCE
from tests.backup.faults.bench import Bench
from tests.backup.faults.campaigns import CAMPAIGNS, Campaign
from tests.backup.faults.table import FAULTS, Fault, NotHere
from tests.support.server import Server

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
KILLS = 4
SHORT = [campaign for campaign in CAMPAIGNS if "typesense" not in campaign.name]


def require_root() -> None:
    if os.geteuid():
        missing = "faults mount file systems of their own, which this user can't"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    require_root()
    source = Server(tmp_path / "source", aof=False, options=AT_ONCE).start()
    yield Bench(source, tmp_path / "bench")
    source.stop()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
async def test_a_fault_ends_as_the_table_says_and_the_good_set_stays(bench: Bench, fault: Fault) -> None:
    try:
        came = set(await fault.do(bench))
    except NotHere as why:
        pytest.skip(f"{why}; the stand-in is tried")
    assert came == fault.wanted


@pytest.mark.parametrize("campaign", SHORT, ids=lambda c: c.name)
def test_kills_at_drawn_points_leave_the_good_set_or_a_new_one(campaign: Campaign) -> None:
    require_root()
    told = campaign.run(KILLS, seed=7)
    assert told.misses == []
    assert told.kills >= KILLS
