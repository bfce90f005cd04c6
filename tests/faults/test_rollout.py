"""A schedule changed while it is rolled out: two workers with different expressions miss no instant and double none."""

from __future__ import annotations

import pytest

from joelclaw_bus import Event, Functions, Step, Store, StoreSettings, Tick, cron, open_store
from joelclaw_bus.observer import TickEnqueued
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.workers import working

pytestmark = pytest.mark.slow
OLD, NEW = "* * * * * *", "*/2 * * * * *"


def ticking(expression: str) -> Functions:
    functions = Functions()

    @functions.function("test/tick", on=[cron(expression, misfire="all", overlap="queue")], retries=1)
    async def tick(e: Event[Tick], step: Step) -> None:
        return None

    return functions


def instants(seen: Seen, expression: str) -> list[int]:
    return [f.nominal_ms for f in seen.all(TickEnqueued) if f.schedule == expression]


async def nominal_in(store: Store) -> list[int]:
    rows = await store.call("XRANGE", store.keys.cron_slot("test/tick").stream, "-", "+")
    return [int(dict(zip(flat[::2], flat[1::2], strict=True))[b"ts"]) for _, flat in rows]


async def test_two_workers_with_two_expressions_miss_and_double_nothing(one_server: Server) -> None:
    """The later one stands from its registration on; the earlier one steps back and does not come back over it."""
    async with (
        open_store(StoreSettings(one_server.url)) as one,
        open_store(StoreSettings(one_server.url)) as other,
        working(one, ticking(OLD)) as seen,
    ):
        await seen.wait(TickEnqueued, 2)
        async with working(other, ticking(NEW), seen=seen):
            await seen.wait(TickEnqueued, 3, where=lambda f: f.schedule != seen.all(TickEnqueued)[0].schedule)
        all_of_it = await nominal_in(one)
    assert all_of_it == sorted(set(all_of_it)), "an instant was doubled"
    schedules = list(dict.fromkeys(f.schedule for f in seen.all(TickEnqueued)))
    old, new = (instants(seen, s) for s in schedules)
    assert old == list(range(old[0], old[-1] + 1, 1_000)), "an instant of the old expression was missed"
    assert new == list(range(new[0], new[-1] + 1, 2_000)), "an instant of the new expression was missed"
    assert new[0] > old[-1]
    assert new[0] - old[-1] <= 2_000, "an instant between the two was missed"
