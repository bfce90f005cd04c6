"""F9, at a size for every day: the old backlog never starves fresh work; the times of it by hand, `make due-storm`."""

from __future__ import annotations

import pytest

from joelclaw_bus import StoreSettings
from tests.faults.batches import open_batched
from tests.faults.storm import FRESH_MS, LIMIT_MS, Figures, Word, faults, storm
from tests.support.server import Server

EVENTS = 20_000


@pytest.mark.slow
async def test_fresh_work_runs_while_a_backlog_of_due_events_is_promoted(one_server: Server) -> None:
    async with open_batched(StoreSettings(one_server.url, deadline=30)) as store:
        figures = await storm(store, one_server.port, EVENTS, calm=0.1)
    assert (figures.moved, figures.appended) == (EVENTS, EVENTS)
    assert figures.before_the_end > 0
    print(f"worst ping: {figures.calm_ping_ms:.1f} ms calm, {figures.storm_ping_ms:.1f} ms in the storm")


def test_a_slow_machine_is_no_fault_of_ours_and_a_slow_script_is() -> None:
    noisy = Figures(10, 10, 1, [1.0, 2.0], calm_ping_ms=1, storm_ping_ms=900, idle_ping_ms=2)
    quick = Word(longest=900, most=LIMIT_MS, stalls={"fork": 900})
    assert faults(noisy, quick, 10) == []
    slow = Word(longest=LIMIT_MS + 1, most=LIMIT_MS + 1, stalls={})
    assert faults(noisy, slow, 10) == ["a thousandth of all scripts took longer than 11.0 ms"]
    late = Figures(9, 10, 1, [1.0, FRESH_MS + 1, 2_000.0], calm_ping_ms=1, storm_ping_ms=1, idle_ping_ms=1)
    assert faults(late, quick, 10) == ["9 of 10 moved, 10 on the stream", "fresh work waited 501 ms"]
    assert faults(Figures(10, 10, 0, [], 1, 1, 1), quick, 10) == ["fresh work waited inf ms"]
