"""Who may run now: never more holders than the limit, by run, taken and given back once each (DESIGN 10)."""

from __future__ import annotations

import math
from typing import Any

from tests.model.spec.letters import put
from tests.model.spec.nouns import Bus, Gate


def acquire(
    bus: Bus, fn: str, key: str, member: str, *, limit: int, ttl: int, claim: str, line_up: bool, steady: bool
) -> tuple[bool, set[str], int]:
    """A run that has a permit keeps it; one that finds none lines up: (held, who holds, how many wait before it)."""
    gate = bus.gate(fn, key)
    # After a discontinuity what has expired still counts: its owner may be about to renew it.
    for old in [m for m, until in gate.holders.items() if steady and until <= bus.now]:
        del gate.holders[old]
        gate.claims.pop(old, None)
    if member in gate.holders or len(gate.holders) < limit:
        gate.holders[member] = _until(bus, ttl)
        gate.claims[member] = claim
        gate.waiters.pop(member, None)
        return True, set(), 0
    if line_up:
        gate.waiters.setdefault(member, bus.now)
    rank = _in_line(gate).index(member) if member in gate.waiters else 0
    return False, set(gate.holders), rank


def keep(bus: Bus, fn: str, key: str, member: str, *, ttl: int, claim: str) -> bool:
    """A permit that this begin still holds lasts longer; one that was given back stays given back."""
    gate = bus.gate(fn, key)
    if gate.claims.get(member) != claim or member not in gate.holders:
        return False
    gate.holders[member] = _until(bus, ttl)
    return True


def release(bus: Bus, fn: str, key: str, member: str, *, ttl: int, claim: str, most: int) -> dict[str, Any] | None:
    """A permit goes to the longest waiter, by an item that wakes it. An old release takes nothing from a new begin."""
    gate = bus.gate(fn, key)
    if claim and gate.claims.get(member, claim) != claim:
        return None
    if not claim:
        gate.waiters.pop(member, None)
    gate.claims.pop(member, None)
    if member not in gate.holders:
        return None
    del gate.holders[member]
    if (most and len(gate.holders) >= most) or not gate.waiters:
        return None
    heir = _in_line(gate)[0]
    del gate.waiters[heir]
    gate.holders[heir] = _until(bus, ttl)
    target, _, run = heir.partition("|")
    letter = f"wake:{heir}:{bus.now}"
    gate.claims[heir] = letter
    item = {"id": letter, "kind": "wake", "target": target, "run": run, "permit": key, "ttl_ms": ttl, "call": fn}
    item |= {"most": most, "claim": letter, "created_ms": bus.now}
    put(bus, f"fn/{fn}", item)
    return item


def _until(bus: Bus, ttl: int) -> float:
    return bus.now + ttl if ttl else math.inf


def _in_line(gate: Gate) -> list[str]:
    return [member for member, _ in sorted(gate.waiters.items(), key=lambda pair: (pair[1], pair[0]))]
