"""F9, at a size for every day: the old backlog never starves fresh work; the times of it by hand, `make due-storm`."""

from __future__ import annotations

import pytest

from joelclaw_bus import StoreSettings
from tests.faults.batches import open_batched
from tests.faults.storm import storm
from tests.support.server import Server

pytestmark = pytest.mark.slow
EVENTS = 20_000


async def test_fresh_work_runs_while_a_backlog_of_due_events_is_promoted(one_server: Server) -> None:
    async with open_batched(StoreSettings(one_server.url, deadline=30)) as store:
        figures = await storm(store, one_server.port, EVENTS, calm=0.1)
    assert (figures.moved, figures.appended) == (EVENTS, EVENTS)
    assert figures.before_the_end > 0
    print(f"worst ping: {figures.calm_ping_ms:.1f} ms calm, {figures.storm_ping_ms:.1f} ms in the storm")
