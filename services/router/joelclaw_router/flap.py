"""Whether a target flaps: healing briefly again and again calls a person. Pure; times in ms, oldest first.

| rule  | flaps when                                                     | ends when                                |
|-------|----------------------------------------------------------------|------------------------------------------|
| short | outages weigh `n` - 0.5 together, each half after a half-life  | those before a new one weigh less than a |
|       |                                                                | third of that (hysteresis)               |
| long  | `n` outages within the window, however far apart               | there are fewer                          |

So a single blip never flaps, and one outage in every so many hours, for ever, does.
"""

from __future__ import annotations

from collections.abc import Sequence


def flaps_shortly(outages: Sequence[int], n: int, half_life_ms: int) -> bool:
    """Told from the outages alone, so that it is the same whoever asks, and however often. n: 0 is never."""
    if n <= 0 or half_life_ms <= 0:
        return False
    begins, ends = max(n - 0.5, 1.5), max(n - 0.5, 1.5) / 3
    weight, before, flapping = 0.0, 0, False
    for at in sorted(outages):
        weight *= 0.5 ** (max(0, at - before) / half_life_ms) if before else 0.0
        flapping = flapping and weight >= ends
        weight, before = weight + 1.0, at
        flapping = flapping or weight >= begins
    return flapping


def flaps_for_long(outages: Sequence[int], now: int, n: int, window_ms: int) -> bool:
    """n: 0 is never; 1 would call every outage flapping, so that it takes two at least."""
    return n > 0 and sum(now - window_ms < at <= now for at in outages) >= max(2, n)
