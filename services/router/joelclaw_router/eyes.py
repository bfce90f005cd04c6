"""Whether what we are told can be trusted: health says so of itself, when every probe of a kind fails at once, or none
of its canaries answers.

Asked at every decision, read at most once a second. Health that is silent is health's own affair, and no blindness.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from joelclaw_bus.store import Store
from joelclaw_contracts import HEALTH_SLOT, HealthRound

FRESH_S = 1.0
CADENCES = 2
"""A round older than so many of its own cadences says nothing about now."""


@dataclass
class Eyes:
    """Call it: why our eyes are not trusted, '' if they are. StoreUnavailable, StoreRefused."""

    store: Store
    _read_s: float = field(default=-FRESH_S)
    _round: HealthRound | None = None

    async def __call__(self, now: int) -> str:
        """now: ms by the store's clock."""
        if time.monotonic() - self._read_s >= FRESH_S:
            raw = await self.store.call("GET", self.store.keys.slot(HEALTH_SLOT).key("round"))
            self._round, self._read_s = _read(raw), time.monotonic()
        return blindness(self._round, now)


def blindness(round: HealthRound | None, now: int) -> str:
    """Pure: what a round says about now."""
    if round is None or not round.blind or now - round.at_ms > CADENCES * round.cadence_ms:
        return ""
    return f"health mistrusts its own probes: {round.doubt or 'all of a kind fail at once'}"


def _read(raw: bytes | None) -> HealthRound | None:
    try:
        return HealthRound.model_validate_json(raw) if raw else None
    except ValueError:
        return None  # another version's: it says nothing to us
