"""How far apart the instants of a schedule are. Pure."""

from __future__ import annotations

from itertools import islice, pairwise

from joelclaw_bus.cron import parse


def longest_ms(schedule: str, now: int) -> int:
    """The longest distance of its next instants, ms: a schedule can have nights off. 0: it has none."""
    instants = list(islice(parse(schedule).instants(now), 50))
    return max((b - a for a, b in pairwise(instants)), default=0)
