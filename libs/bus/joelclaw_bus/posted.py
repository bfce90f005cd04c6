"""What was stored in an outbox a moment ago, on its way at once: the writer needn't wait, nor anybody sweep for it.

Nothing here need survive: every item lies in the store, and what isn't delivered from here the sweep finds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from joelclaw_bus.errors import StoreRefused, StoreUnavailable
from joelclaw_bus.keys import Slot
from joelclaw_bus.outbox_item import OutboxItem

SIDE_BY_SIDE = 8
EVENTS_AT_ONCE = 64
Post = tuple[Slot, OutboxItem]


@dataclass(frozen=True, slots=True)
class _Lane:
    send: MemoryObjectSendStream[Post]
    receive: MemoryObjectReceiveStream[Post]

    def next(self, most: int) -> list[Post]:
        """What waits at this moment, at most so many."""
        posts = list[Post]()
        with suppress(anyio.WouldBlock, anyio.EndOfStream):
            while len(posts) < most:
                posts.append(self.receive.receive_nowait())
        return posts


@dataclass
class Posted:
    """`carried`: carries an item to its target; whether its slot owes it no more. `delivered`: deletes items there."""

    carried: Callable[[Slot, OutboxItem], Awaitable[bool]]
    delivered: Callable[[Slot, list[OutboxItem]], Awaitable[None]]

    def __post_init__(self) -> None:
        self._events = _Lane(*anyio.create_memory_object_stream[Post](math.inf))
        self._others = _Lane(*anyio.create_memory_object_stream[Post](math.inf))

    def post(self, slot: Slot, item: OutboxItem) -> None:
        lane = self._events if item.kind == "event" else self._others
        lane.send.send_nowait((slot, item))

    async def run(self) -> None:
        """Deliver what is posted: the events of a stream in their order, all else side by side, since it has none."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run, self._events, EVENTS_AT_ONCE)
            for _ in range(SIDE_BY_SIDE):
                tasks.start_soon(self._run, self._others, 1)

    async def _run(self, lane: _Lane, most: int) -> None:
        async for post in lane.receive:
            with anyio.CancelScope(shield=True):  # a stop lets these arrive; `drain` takes the rest
                await self._deliver([post, *lane.next(most - 1)])

    async def drain(self) -> None:
        """Deliver what is posted so far: for a worker that stops."""
        for lane in (self._events, self._others):
            while posts := lane.next(EVENTS_AT_ONCE):
                await self._deliver(posts)

    async def _deliver(self, posts: list[Post]) -> None:
        """Targets side by side, and one deletion for all that a slot owed. A store that is away, or refuses, is told
        by those who wait for it."""
        targets, gone = defaultdict[str, list[Post]](list), defaultdict[Slot, list[OutboxItem]](list)
        for post in posts:
            targets[post[1].target].append(post)

        async def in_order(to_one_target: list[Post]) -> None:
            for slot, item in to_one_target:
                try:
                    if await self.carried(slot, item):
                        gone[slot].append(item)
                except StoreUnavailable:
                    return  # the sweep brings these in their order; a stop doesn't wait a deadline for each
                except StoreRefused:
                    continue

        first, *others = targets.values()
        async with anyio.create_task_group() as tasks:
            for other in others:
                tasks.start_soon(in_order, other)
            await in_order(first)
        for slot, items in gone.items():
            with suppress(StoreUnavailable, StoreRefused):
                await self.delivered(slot, items)

    def close(self) -> None:
        for lane in (self._events, self._others):
            lane.send.close()
            lane.receive.close()
