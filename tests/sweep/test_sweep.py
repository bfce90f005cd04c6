"""Every store call of every scenario × crash before, crash after, reply lost: enumerated, none sampled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import product

import anyio
import pytest

from joelclaw_bus.script import scripts_of
from joelclaw_bus.store import StoreSettings, open_store
from tests.support.server import Server
from tests.sweep.faults import Fault, How
from tests.sweep.play import Play, Stage, told
from tests.sweep.scenario import Scenario
from tests.sweep.scenarios import every

AT_ONCE = 12
"""Plays that share the event loop: most of one is waiting."""


@pytest.fixture
async def stage(swept_server: Server) -> AsyncIterator[Stage]:
    async with open_store(StoreSettings(swept_server.url, connections=64)) as store:
        with swept_server.client() as client:
            yield Stage(swept_server.url, store._client, client)


async def play_all(plays: list[Play]) -> None:
    room = anyio.CapacityLimiter(AT_ONCE)

    async def one(play: Play) -> None:
        async with room:
            await play.run()

    async with anyio.create_task_group() as tasks:
        for play in plays:
            tasks.start_soon(one, play)


@pytest.mark.parametrize("kind", every(), ids=lambda kind: kind.__name__)
async def test_a_fault_at_any_store_call_loses_and_doubles_nothing(
    stage: Stage, kind: type[Scenario], record_property: Callable[[str, object], None]
) -> None:
    sound = Play(stage, kind)
    await sound.run()
    assert not sound.complaints, told([sound])
    assert len(set(sound.trace)) == len(sound.trace) > 0
    plays = [Play(stage, kind, Fault(point, how)) for point, how in product(sound.trace, How)]
    await play_all(plays)
    failed = [play for play in plays if play.complaints]
    assert not failed, told(failed)
    tried = [play.fault for play in plays if play.struck]
    assert len(tried) == 3 * len(sound.trace), f"never reached: {[str(p.fault) for p in plays if not p.struck]}"
    record_property("crash_points", len(tried))


async def test_the_scenarios_call_every_script_of_the_bus(stage: Stage) -> None:
    plays = [Play(stage, kind) for kind in every()]
    await play_all(plays)
    called = {point.kind for play in plays for point in play.trace}
    assert not set(scripts_of("joelclaw_bus")) - called
