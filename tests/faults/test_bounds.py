"""F5 and F6, at a size for every day; the million by hand."""

from __future__ import annotations

import pytest

from joelclaw_bus import StoreSettings, open_store
from tests.faults.batches import open_batched
from tests.faults.growth import LEAK, Growth
from tests.faults.trimming import trim_behind_three_groups
from tests.support.server import Server

pytestmark = pytest.mark.slow
EVENTS = 20_000


async def test_a_stopped_group_loses_none_of_very_many_events_and_memory_follows_its_lag(one_server: Server) -> None:
    async with open_store(StoreSettings(one_server.url, deadline=30)) as store:
        figures = await trim_behind_three_groups(store, EVENTS)
    assert (figures.lost, figures.doubled, figures.left) == (0, 0, 0)
    assert figures.longest == EVENTS
    lag_bytes = figures.full_bytes - figures.empty_bytes
    assert lag_bytes < EVENTS * 400
    assert figures.end_bytes - figures.empty_bytes < lag_bytes / 10


async def test_memory_is_flat_over_very_many_runs(own_server: Server) -> None:
    async with open_batched(StoreSettings(own_server.url, deadline=30)) as store:
        growth = Growth(store, window_ms=1_000)
        await growth.go(seconds_a_tenth=1.5, page=200, pages=EVENTS // 10 // 200)
    assert growth.ended == EVENTS
    assert not growth.more, str(growth.rests[1].left)
    assert growth.growth <= LEAK, [f"{rest.used / 2**20:.2f} MiB: {rest.left}" for rest in growth.rests]
