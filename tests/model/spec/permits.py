"""Who may run now: never more holders than the limit, by run, taken and given back once each (DESIGN 10)."""

from __future__ import annotations

import math
from typing import Any

from tests.model.spec.letters import put
from tests.model.spec.nouns import Bus, Gate


def acquire(
    bus: Bus,
    fn: str,
    key: str,
    member: str,
    *,
    limit: int,
    ttl: int,
    claim: str,
    line_up: bool,
    steady: bool,
    at_work: int = 0,
) -> tuple[bool, set[str], int]:
    """A run that has a permit keeps it; one that finds none lines up: (held, who holds, how many wait before it)."""
    gate = bus.gate(fn, key)
    # After a discontinuity what has expired still counts: its owner may be about to renew it.
    for old in [m for m, until in gate.holders.items() if steady and until <= bus.now]:
        _struck(gate, old)
    if member in gate.holders or len(gate.holders) < limit:
        _struck(gate, member)
        gate.holders[member], gate.claims[member] = _until(bus, ttl), claim
        if at_work:
            gate.at_work[member] = bus.now + at_work
        gate.waiters.pop(member, None)
        return True, set(), 0
    if line_up:
        gate.waiters.setdefault(member, bus.now)
    rank = _in_line(gate).index(member) if member in gate.waiters else 0
    return False, set(gate.holders), rank


def keep(bus: Bus, fn: str, key: str, member: str, *, how_long: int, claim: str, exclusive: bool) -> bool:
    """A permit that this begin still holds lasts longer; one that was given back stays given back. Of one that is kept
    until it is given back its handler is at work longer, and it lasts as long when it was given back from outside."""
    gate, until = bus.gate(fn, key), bus.now + how_long
    if gate.claims.get(member) != claim or member not in gate.holders:
        return False
    if exclusive:
        gate.at_work[member] = until
    if not exclusive or gate.holders[member] != math.inf:
        gate.holders[member] = until
    return True


def release(
    bus: Bus, fn: str, key: str, member: str, *, ttl: int, claim: str, most: int, by: str = ""
) -> dict[str, Any] | None:
    """A permit goes to the longest waiter, by an item that wakes it. An old release takes nothing from a new begin; and
    while the handler that holds it may be at work, only who knows that it has stopped frees it."""
    gate = bus.gate(fn, key)
    if claim and gate.claims.get(member, claim) != claim:
        return None
    if not claim:
        gate.waiters.pop(member, None)
    if member in gate.holders and member in gate.at_work and gate.claims[member] != by:
        gate.holders[member] = gate.at_work[member]
        return None
    if not _struck(gate, member):
        return None
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


def _struck(gate: Gate, member: str) -> bool:
    """Its permit, its claim and how long it is at work are gone; whether it held one."""
    gate.claims.pop(member, None)
    gate.at_work.pop(member, None)
    return gate.holders.pop(member, None) is not None


def _until(bus: Bus, ttl: int) -> float:
    return bus.now + ttl if ttl else math.inf


def _in_line(gate: Gate) -> list[str]:
    return [member for member, _ in sorted(gate.waiters.items(), key=lambda pair: (pair[1], pair[0]))]
