"""Retention: which verified sets go. Pure; `now` is ms since the epoch.

    the newest `rule.last` verified sets stay, the newest one always; what is unverified is neither counted nor pruned

Order is by when a set was verified, never by its name: a clock that was set back must not prune the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """One verified set, as its own manifest says."""

    id: str
    verified_ms: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Rule:
    last: int = 7


@dataclass(frozen=True, slots=True)
class Plan:
    """`prune` oldest first."""

    keep: tuple[Kept, ...]
    prune: tuple[Kept, ...]


def keep(artefacts: Sequence[Kept], now: int, rule: Rule) -> Plan:
    """What stays and what goes. A set from the future (a clock ran ahead) stays, and counts for none of the last."""
    ordered = sorted(artefacts, key=lambda a: (a.verified_ms, a.id))
    ahead = [a for a in ordered if a.verified_ms > now]
    past = [a for a in ordered if a.verified_ms <= now]
    edge = max(0, len(past) - max(1, rule.last))
    return Plan(keep=(*past[edge:], *ahead), prune=tuple(past[:edge]))
