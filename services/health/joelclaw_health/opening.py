"""The first round, soon after the start: a suite that was just started shall not have to wait for its schedule.

Asked for by an event of our own (others count what stands on `system/health.check.requested`); its id is the same for
all that start within five minutes, so that neither replicas nor a service that dies at once make a storm of it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar

import anyio

from joelclaw_bus import BusError, Publisher, Worker
from joelclaw_contracts import EventModel
from joelclaw_pod import Health

LOOK = 0.2  # seconds
WINDOW_MS = 300_000


class RoundWanted(EventModel):
    """Check everything now."""

    event_name: ClassVar[str] = "healing/round.wanted"


@dataclass(frozen=True, slots=True)
class OpeningRound:
    """A worker that asks for a round once its own heartbeat is there: the others' are about to be, too."""

    worker: Worker
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None
    """What runs as long as the worker does: the dead-man's switch."""
    settle: float = 6.0
    """Seconds from the first heartbeat on, for the others' first ones: a heartbeat comes every third of a lease."""

    async def run(self, *, stop: anyio.Event, grace: float) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._ask)
            if self.beside is not None:
                tasks.start_soon(self.beside)
            await self.worker.run(stop=stop, grace=grace)
            tasks.cancel_scope.cancel()

    def health(self) -> Health:
        return self.worker.health()

    async def _ask(self) -> None:
        """A store that is away is the worker's trouble, and told by it; here it is only waited out."""
        store = self.worker.store
        while True:
            try:
                if await store.call("HEXISTS", store.keys.workers, self.worker.consumer):
                    await anyio.sleep(self.settle)
                    now = await store.time_ms()
                    wanted = f"health-start:{now // WINDOW_MS}"
                    await Publisher(store, source="health").send(RoundWanted(), id=wanted)
                    return
            except BusError:
                pass
            await anyio.sleep(LOOK)
