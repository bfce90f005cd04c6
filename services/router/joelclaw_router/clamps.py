"""What a request may wish for: its retry policy, filled from configuration and clamped (CONTRACT 4).

| knob       | floor                                | ceiling                            |
|------------|--------------------------------------|------------------------------------|
| maxRetries | 0                                    | 64, or `budgets.maxRetries` if less |
| sleepMin   | 5,000, or the configured one if less | 3,600,000                          |
| sleepMax   | sleepMin                             | 14,400,000                         |
| sleepStep  | 5,000, or the configured one if less | sleepMax                           |
"""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_router.policy import clamp

RETRIES_MAX = 64
FLOOR_MS = 5_000
SLEEP_MIN_MAX_MS = 3_600_000
SLEEP_MAX_MAX_MS = 14_400_000


@dataclass(frozen=True, slots=True)
class Knobs:
    """Effective configuration of one router."""

    max_retries: int = 5
    sleep_min_ms: int = 300_000
    sleep_max_ms: int = 14_400_000
    sleep_step_ms: int = 30_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for; None where it asks nothing."""

    max_retries: int | None = None
    sleep_min_ms: int | None = None
    sleep_max_ms: int | None = None
    sleep_step_ms: int | None = None


def clamped(wish: Wish, knobs: Knobs, *, retries_max: int = RETRIES_MAX) -> Knobs:
    """The knobs in force for one request. Never raises: what is out of bounds is moved to the bound."""
    sleep_min = clamp(_or(wish.sleep_min_ms, knobs.sleep_min_ms), min(FLOOR_MS, knobs.sleep_min_ms), SLEEP_MIN_MAX_MS)
    sleep_max = clamp(_or(wish.sleep_max_ms, knobs.sleep_max_ms), sleep_min, SLEEP_MAX_MAX_MS)
    step_floor = min(FLOOR_MS, knobs.sleep_step_ms, sleep_max)
    return Knobs(
        max_retries=clamp(_or(wish.max_retries, knobs.max_retries), 0, min(RETRIES_MAX, retries_max)),
        sleep_min_ms=sleep_min,
        sleep_max_ms=sleep_max,
        sleep_step_ms=clamp(_or(wish.sleep_step_ms, knobs.sleep_step_ms), step_floor, sleep_max),
    )


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
