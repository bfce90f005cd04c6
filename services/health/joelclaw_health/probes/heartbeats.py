"""Whether somebody serves: the measured age of the freshest heartbeat. Pure: the registry has read it already.

A heartbeat is written only after a read cycle that ended well, so its age is the age of real work being taken; a key's
presence is nothing. Alive and idle are separate: what is in hand is a value, never a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable

from joelclaw_health.registry import Beat, Expected
from joelclaw_health.sample import Sample

CONDITION = "heartbeat"
OWN_BEATS = 3


def heartbeats(expected: Iterable[Expected], *, now: int, silent_ms: int) -> list[Sample]:
    """One sample per expected component."""
    return [_sample(e, now, silent_ms) for e in expected]


def fresh(beats: Iterable[Beat], *, now: int, silent_ms: int) -> list[Beat]:
    """Those whose last heartbeat is young enough: `silent_ms`, or three of their own if they beat more slowly."""
    return [b for b in beats if now - b.at_ms <= max(silent_ms, OWN_BEATS * b.every_ms)]


def _sample(e: Expected, now: int, silent_ms: int) -> Sample:
    alive = fresh(e.beats, now=now, silent_ms=silent_ms)
    if alive:
        age = max(0, now - max(b.at_ms for b in alive)) / 1000
        in_hand = sum(b.in_hand for b in alive)
        silent = f", {len(e.beats) - len(alive)} silent" if len(alive) < len(e.beats) else ""
        value = f"{age:.1f} s ago, {len(alive)} alive{silent}, {f'{in_hand} in hand' if in_hand else 'idle'}"
        return Sample(e.name, CONDITION, "ok", now, value, "", e.started_ms)
    if e.beats:
        age = (now - max(b.at_ms for b in e.beats)) / 1000
        value, reason = f"{age:.1f} s ago", f"the last heartbeat is {age:.0f} s old"
    else:
        value, reason = "none", "no worker has a heartbeat"
    return Sample(e.name, CONDITION, "failing", now, value, reason, e.started_ms)
