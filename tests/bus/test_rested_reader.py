"""A reader that was paused or full was right not to read: its silence counts from when it may read again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from joelclaw_bus.gate import Room
from joelclaw_bus.keys import Keys, Slot
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.reader import GroupReader

LONG_AGO = -1_000.0
NEVER = float("-inf")


@pytest.mark.parametrize("why", ["paused", "full", "neither"])
@pytest.mark.parametrize("last", [LONG_AGO, NEVER])
async def test_the_silence_of_a_reader_counts_from_when_it_may_read(why: str, last: float) -> None:
    seen: list[float] = []
    paused = [b"test/fn", b'{"owner":"ann","reason":"to see","since_ms":0,"until_ms":0}']

    class Store:
        keys = Keys()

        async def call(self, *command: Any) -> list[bytes]:
            if command[0] == "HGETALL":
                return paused if why == "paused" else []
            seen.append(reader.last_cycle)
            return []

    store: Any = Store()
    room, pauses = Room(1), Pauses(store, lambda: 1)
    await pauses.refresh()  # until they were read once, every reader is held back
    made: Any = GroupReader  # only what a step uses
    fn, unused = SimpleNamespace(id="test/fn"), [None] * 4
    reader = made(fn, Slot("test/job"), "w", 1, room, *unused, pauses, last_cycle=last)
    if why == "full":
        room.enter()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.step, store)
        await anyio.wait_all_tasks_blocked()
        assert seen == ([last] if why == "neither" else [])
        over = anyio.current_time()
        if why == "full":
            room.leave()
        if why == "paused":
            why = "no more"
            await pauses.refresh()
    rested = why != "neither" and last == LONG_AGO
    assert (seen[0] >= over) if rested else (seen == [last])
    assert reader.last_cycle >= over or why == "neither"
