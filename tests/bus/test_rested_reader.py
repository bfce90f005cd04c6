"""A reader that was paused or full was right not to read: its silence counts from when it may read again."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from joelclaw_bus.gate import Room
from joelclaw_bus.keys import Slot
from joelclaw_bus.pauses import Pause, Pauses
from joelclaw_bus.reader import GroupReader

LONG_AGO = -1_000.0
NEVER = float("-inf")


@pytest.mark.skipif("FAULTS" not in os.environ, reason="not steady on a busy machine yet: make faults")
@pytest.mark.parametrize("why", ["paused", "full", "neither"])
@pytest.mark.parametrize("last", [LONG_AGO, NEVER])
async def test_the_silence_of_a_reader_counts_from_when_it_may_read(why: str, last: float) -> None:
    seen: list[float] = []

    class Store:
        async def call(self, *command: Any) -> None:
            seen.append(reader.last_cycle)

    room, pauses = Room(1), Pauses(Any, lambda: 1)
    reader: Any = GroupReader(
        SimpleNamespace(id="test/fn"),
        Slot("test/job"),
        "w",
        1,
        room,
        *[None] * 4,
        pauses,
        last_cycle=last,  # type: ignore[arg-type]  # only what a step uses
    )
    async with anyio.create_task_group() as tasks:
        if why == "full":
            room.enter()
        if why == "paused":
            pauses._known = {"test/fn": Pause("test/fn", "ann", "to see", 0)}
        tasks.start_soon(reader.step, Store())
        await anyio.wait_all_tasks_blocked()
        assert seen == ([last] if why == "neither" else [])
        over = anyio.current_time()
        if why == "full":
            room.leave()
        if why == "paused":
            pauses._known = {}
            pauses._changed.set()
    rested = why != "neither" and last == LONG_AGO
    assert (seen[0] >= over) if rested else (seen == [last])
    assert reader.last_cycle >= over or why == "neither"
