"""Times as words, for lines that people and logs read: UTC, so that two machines say the same."""

from __future__ import annotations

from datetime import UTC, datetime

END_OF_TIME_MS = 253_402_214_400_000


def span(ms: float) -> str:
    """A length of time: 340 ms, 12 s, 5 min, 3 h, 2 d."""
    seconds = abs(ms) / 1000
    if seconds < 1:
        return f"{abs(ms):.0f} ms"
    for limit, unit, size in ((60, "s", 1), (3600, "min", 60), (86_400, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def clock(ms: int) -> str:
    """A moment: 2026-11-22 03:30:00 UTC."""
    if not 0 < ms < END_OF_TIME_MS:  # a stranger's number
        return f"{ms:.6g} ms"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
