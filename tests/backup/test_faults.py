"""The table of faults and some kills, as `make backup-faults` runs them with more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.backup.conftest import AT_ONCE
from tests.backup.faults.bench import Bench
from tests.backup.faults.campaigns import CAMPAIGNS, Campaign
from tests.backup.faults.places import require_root
from tests.backup.faults.table import FAULTS, Fault, NotHere
from tests.support.server import Server

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
KILLS = 4
SHORT = [campaign for campaign in CAMPAIGNS if "typesense" not in campaign.name]


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


def test_a_campaign_that_is_ended_takes_its_servers_and_file_systems_down(tmp_path: Path) -> None:
    require_root()
    argv = [sys.executable, "-m", "tests.backup.faults", "--kills", "5000", "redis to a mount"]
    campaign = subprocess.Popen(argv, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL)
    try:
        until(lambda: is_mounted(tmp_path) and any(tmp_path.glob("*/bench/nas/backups/redis/latest")))
        assert of(tmp_path)
        campaign.send_signal(signal.SIGTERM)
        assert campaign.wait(120) == 128 + signal.SIGTERM
    finally:
        campaign.kill()
        campaign.wait()
    assert not is_mounted(tmp_path)
    until(lambda: of(tmp_path) == [])  # a throwaway server ends as soon as it has heard of its starter's end


def is_mounted(below: Path) -> bool:
    return f" {below}/" in Path("/proc/self/mountinfo").read_text()


def of(folder: Path) -> list[str]:
    """The commands of the processes that work below a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, at = (process / "cmdline").read_bytes().decode("utf-8", "replace"), os.readlink(process / "cwd")
        except OSError:  # it has just ended
            continue
        if str(folder) in command or at.startswith(str(folder)):
            found.append(command)
    return found


def until(there: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)
