"""When a service that died is started again. Pure.

| deaths in the last minute | next start after     |
|---------------------------|----------------------|
| 1                         | 0.2 s                |
| 2, 3, 4                   | 0.8, 3.2, 10 s       |
| 5 and more                | 30 s: a crash loop   |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 60.0
LOOP = 5
FIRST, LONGEST, IN_LOOP = 0.2, 10.0, 30.0


@dataclass(frozen=True, slots=True)
class Restart:
    """Start again after `delay` seconds. `looping`: it dies again and again, people should look."""

    delay: float
    looping: bool
    deaths: int


def next_restart(deaths: Sequence[float], *, now: float) -> Restart:
    """`deaths`: when it died, this time included; seconds of any steady clock."""
    recent = sum(1 for moment in deaths if now - moment <= WINDOW)
    if recent >= LOOP:
        return Restart(IN_LOOP, True, recent)
    return Restart(min(FIRST * 4 ** max(recent - 1, 0), LONGEST), False, recent)
