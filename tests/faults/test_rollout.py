"""A schedule changed while it is rolled out: two workers with different expressions miss no instant and double none."""

from __future__ import annotations

import pytest

from joelclaw_bus import Event, Functions, Step, Store, StoreSettings, Tick, cron, open_store
from joelclaw_bus.observer import TickEnqueued
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


async def ticks_in(store: Store) -> list[tuple[str, int]]:
    """Expression and nominal instant of each tick, in the order in which they were enqueued."""
    rows = await store.call("XRANGE", store.keys.cron_slot("test/tick").stream, "-", "+")
    ticks = [Tick.from_json(dict(zip(flat[::2], flat[1::2], strict=True))[b"data"]) for _, flat in rows]
    return [(t.schedule, t.nominal_ms) for t in ticks]


async def test_two_workers_with_two_expressions_miss_and_double_nothing(one_server: Server) -> None:
    """The later one stands from its registration on; the earlier one steps back and does not come back over it."""
    async with (
        open_store(StoreSettings(one_server.url)) as one,
        open_store(StoreSettings(one_server.url)) as other,
        working(one, ticking(OLD)) as seen,
    ):
        await seen.wait(TickEnqueued, 2)
        async with working(other, ticking(NEW)) as later:
            await later.wait(TickEnqueued, 3)
        ticks = await ticks_in(one)
    old = [at for expression, at in ticks if expression == OLD]
    new = [at for expression, at in ticks if expression == NEW]
    assert ticks == [(OLD, at) for at in old] + [(NEW, at) for at in new], "the old one came back over the new one"
    assert old == list(range(old[0], old[-1] + 1, 1_000)), "an instant was missed or doubled"
    assert new == list(range(new[0], new[-1] + 1, 2_000)), "an instant was missed or doubled"
    assert 0 < new[0] - old[-1] <= 2_000, "an instant between the two was missed or doubled"
