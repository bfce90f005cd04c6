"""Whether every live worker runs the configuration it was last given. Pure: the registry has read their heartbeats.

One check for all of them: a bad file is refused by many at once, which is no blindness of the checker.
"""

from __future__ import annotations

from collections.abc import Sequence

from joelclaw_health.probes.heartbeats import fresh
from joelclaw_health.registry import Beat
from joelclaw_health.sample import Sample

COMPONENT = CONDITION = "configuration"
_HASH_CHARS = 12
_PROBLEM_CHARS = 300


def configuration(beats: Sequence[Beat], *, now: int, silent_ms: int) -> Sample:
    """failing: somebody refused what it was told to read; a difference between them is worth knowing."""
    alive = [b for b in fresh(beats, now=now, silent_ms=silent_ms) if b.config]
    by_hash: dict[str, set[str]] = {}
    for beat in alive:
        by_hash.setdefault(beat.config[:_HASH_CHARS], set()).add(beat.service or beat.worker)
    value = "; ".join(f"{known} {', '.join(sorted(who))}" for known, who in sorted(by_hash.items())) or "none is told"
    refused = {b.service or b.worker: b.refused for b in alive if b.refused}
    if refused:
        who, problem = ", ".join(sorted(refused)), next(iter(refused.values()))[:_PROBLEM_CHARS]
        reason = f"{who}: the new one was refused, the last good one is in force: {problem}"
        return Sample(COMPONENT, CONDITION, "failing", now, value, reason)
    differ = "services run different configurations: reload those that are behind" if len(by_hash) > 1 else ""
    return Sample(COMPONENT, CONDITION, "ok", now, value, differ)
