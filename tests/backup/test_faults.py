"""The table of faults and some kills, as `make backup-faults` runs them with more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backup.conftest import AT_ONCE
from tests.backup.faults.bench import Bench
from tests.backup.faults.kills import kill_at_random_points
from tests.backup.faults.ssh_kills import kill_over_ssh
from tests.backup.faults.table import FAULTS, Fault, NotHere
from tests.support.server import Server

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    if os.geteuid():
        missing = "faults mount file systems of their own, which this user can't"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
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


def test_a_backup_killed_at_any_point_leaves_the_good_set_or_a_new_one(bench: Bench) -> None:
    told = kill_at_random_points(bench, 8, seed=int.from_bytes(os.urandom(4)))
    assert told.misses == []
    assert told.stored + sum(told.where.values()) >= 8


def test_a_copy_over_ssh_that_is_killed_at_any_point_is_gone_on_with_and_nothing_is_sent_twice(bench: Bench) -> None:
    told = kill_over_ssh(bench, 4, seed=int.from_bytes(os.urandom(4)))
    assert told.misses == []
    assert told.kills >= 4
    assert told.ended >= 1
    assert told.resent <= 0.1 * told.there
