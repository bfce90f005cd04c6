"""How long a failed attempt waits: a pure function, chance handed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential delays with jitter. All in ms; `jitter` is the share of the delay that chance may add."""

    base_ms: int = 1_000
    cap_ms: int = 60_000
    jitter: float = 0.2

    def delay_ms(self, attempt: int, dice: float) -> int:
        """The delay before attempt `attempt` + 1 (attempts count from 0); dice in [0, 1).

        The exponent is capped: 2**attempt soon outgrows any clock.
        """
        plain = min(self.base_ms * 2 ** min(attempt, 40), self.cap_ms)
        return int(plain + plain * self.jitter * dice)
