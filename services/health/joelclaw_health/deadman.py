"""The dead-man's switch: an address outside is asked as long as rounds end in time, so that its silence is an alarm
elsewhere. What stops rounds (the store, this process, this machine, its network) stops the heartbeats too.

Off unless `health.heartbeatUrl` names an address; the coverage table says which it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import httpx

from joelclaw_bus import BusError, Store
from joelclaw_contracts import HEALTH_SLOT, HealthRound
from joelclaw_health.sample import Sample

log = logging.getLogger(__name__)

COMPONENT, CONDITION = "health", "outside"
LOOK = 1.0  # seconds between looks until there is a round to vouch for
SECONDS = 10.0


@dataclass(eq=False)
class DeadMan:
    """`every`: seconds between two heartbeats; `cadence_ms`: how far apart rounds are, at an instant."""

    store: Store
    url: str | None
    every: float
    cadence_ms: Callable[[int], int]
    last: tuple[int, str] | None = field(default=None, init=False)
    """When it was last asked (the store's clock, ms), and what was wrong ('' nothing)."""

    async def run(self) -> None:
        """Beat until cancelled; returns at once where it is off."""
        if not self.url:
            return
        async with httpx.AsyncClient(timeout=SECONDS, follow_redirects=False) as client:
            while True:  # noqa: ASYNC110  a heartbeat: time itself is what it waits for
                await anyio.sleep(self.every if await self.step(client) else min(LOOK, self.every))

    async def step(self, client: httpx.AsyncClient) -> bool:
        """One heartbeat, unless the last round is older than twice the cadence. Whether it was sent."""
        now = await self._vouched()
        if not now or not self.url:
            return False
        problem = ""
        try:
            answer = await client.get(self.url)
            if not answer.is_success:
                problem = f"it answered {answer.status_code}"
        except httpx.HTTPError as error:  # its text may hold the address, which is a secret
            problem = type(error).__name__
        if problem and not (self.last and self.last[1]):
            log.warning("the dead-man's switch does not answer: %s", problem)
        self.last = (now, problem)
        return True

    def sample(self, now: int) -> list[Sample]:
        """None before the first heartbeat: it waits for a round, which this may be."""
        if self.last is None:
            return []
        at, problem = self.last
        value = f"{max(0, now - at) / 1000:.0f} s ago"
        reason = f"the address outside that should miss us can't be reached: {problem}" if problem else ""
        return [Sample(COMPONENT, CONDITION, "failing" if problem else "ok", now, value, reason)]

    async def _vouched(self) -> int:
        """The time by the store's clock; 0 if nothing vouches for this suite."""
        try:
            raw, now = await self.store.call("GET", self._round), await self.store.time_ms()
        except BusError:
            return 0
        at = HealthRound.model_validate_json(raw).at_ms if raw else 0
        return now if at and now - at <= 2 * self.cadence_ms(now) else 0

    @property
    def _round(self) -> str:
        return self.store.keys.slot(HEALTH_SLOT).key("round")
