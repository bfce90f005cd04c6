"""Retention: which sets go. Pure; `now` is ms since the epoch, days and weeks and months are UTC's.

| a set that is                                                    |                                                |
|------------------------------------------------------------------|------------------------------------------------|
| verified, among the newest `last`                                | stays                                          |
| the newest verified one of its day, week or month, and this is   | stays                                          |
| among the newest `daily`, `weekly`, `monthly` that have one      |                                                |
| verified, among the newest `floor` (never less than 1)           | stays, whatever else is said                   |
| verified at a time that is still to come (a clock ran ahead)     | stays, and counts for none of these            |
| verified, and none of these                                      | goes                                           |
| damaged, with `floor` verified ones that are newer               | goes: it is worth less than any of them        |
| anything else: unknown, claimed, unverified, or a stranger       | stays, and counts for none of these            |

Order is by when a set was verified, never by its name: a clock that was set back must not prune the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Kept:
    """One set that was verified once, as its own records say."""

    id: str
    verified_ms: int
    bytes: int
    standing: Literal["verified", "unknown", "claimed", "damaged", "unverified"] = "verified"


@dataclass(frozen=True, slots=True)
class Rule:
    last: int = 7
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    floor: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """`prune` oldest first; `why` says for each set that stays by which lines of the table."""

    keep: tuple[Kept, ...]
    prune: tuple[Kept, ...]
    why: dict[str, tuple[str, ...]]


def keep(artefacts: Sequence[Kept], now: int, rule: Rule) -> Plan:
    """What stays and what goes."""
    ordered = sorted(artefacts, key=lambda a: (a.verified_ms, a.id), reverse=True)
    good = [a for a in ordered if a.standing == "verified" and a.verified_ms <= now]
    floor = good[: max(1, rule.floor)]
    why: dict[str, list[str]] = {a.id: [] for a in artefacts}
    for a in good[: rule.last]:
        why[a.id].append("last")
    for name, count, period in (
        ("daily", rule.daily, "%Y-%m-%d"),
        ("weekly", rule.weekly, "%G-%V"),
        ("monthly", rule.monthly, "%Y-%m"),
    ):
        for a in _newest_of_each(good, count, period):
            why[a.id].append(name)
    for a in floor:
        why[a.id].append("floor")
    for a in ordered:
        if a.standing == "verified" and a.verified_ms > now:
            why[a.id].append("ahead of time")
        elif a.standing == "damaged":
            if len(floor) < max(1, rule.floor) or floor[-1].verified_ms <= a.verified_ms:
                why[a.id].append("too few good ones are newer")
        elif a.standing != "verified":
            why[a.id].append(a.standing)
    oldest_first = ordered[::-1]
    return Plan(
        keep=tuple(a for a in oldest_first if why[a.id]),
        prune=tuple(a for a in oldest_first if not why[a.id]),
        why={id: tuple(reasons) for id, reasons in why.items() if reasons},
    )


def _newest_of_each(good: Sequence[Kept], count: int, period: str) -> list[Kept]:
    """The newest set of each of the newest `count` periods; `good` is newest first."""
    seen: dict[str, Kept] = {}
    for a in good:
        seen.setdefault(_when(a).strftime(period), a)
    return list(seen.values())[:count]


def _when(a: Kept) -> datetime:
    return datetime.fromtimestamp(a.verified_ms / 1000, UTC)
