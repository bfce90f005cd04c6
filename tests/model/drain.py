"""The end of every example: healthy workers, and time. Whatever happened before, all must come to its end now."""

from __future__ import annotations

from tests.model.shop import BILL, GROUPS, KEY, LIMITS, ORDER, PAID, TTL
from tests.model.spec import streams
from tests.model.spec.nouns import HOUR, Hand
from tests.model.world import World
from tests.model.writes import Writes

HEALER = "eve"
ROUNDS = 30
"""Permits have expired by then, and fallbacks have come; each round ends one exclusive run at least."""


def drain(world: World) -> None:
    """Works off all that is left; AssertionError names what nothing would ever move, and what was lost."""
    for hand in world.hands:
        world.hands[hand] = "over"
    for _, fn in GROUPS:
        world.resume(fn)
    for _ in range(ROUNDS):
        if not left(world):
            break
        world.advance(2 * HOUR)
        _round(world)
    assert not left(world), f"still there after {ROUNDS} rounds:\n" + "\n".join(left(world))
    world.compare()
    lost = world.ledger.unaccounted(GROUPS)
    assert not lost, "lost:\n" + "\n".join(lost)


def _round(world: World) -> None:
    for slot in (ORDER, PAID):
        world.audit(slot)
        answer = world.do(world.calls.promote(world.keys.slot(slot)))
        world.same("promote", (answer.moved, answer.head_ms), streams.promote(world.bus, slot))
    for slot, fn in GROUPS:
        for ready in (False, True):
            world.take_over(slot, fn, ready, HEALER, most=100, pages=20, sent_at=world.bus.now)
        world.read(slot, fn, HEALER, 100)
    for hand in [hand for hand, state in world.hands.items() if state != "over"]:
        _end(world, hand)
    for slot, name in [(slot, name) for slot, state in world.bus.slots.items() for name in state.outbox]:
        if name in world.bus.slot(slot).outbox:  # a release delivers the wake-up that it makes
            world.deliver(slot, name, done=True)


def _end(world: World, h: Hand) -> None:
    """What a worker does: begin, ask for the permit, and finish or wait for it."""
    writes = Writes(world)
    if world.hands[h] == "spoilt":
        writes.bury(h)
    elif world.begin(h)[0] in ("begun", "poisoned"):
        if (h.fn, KEY) in LIMITS and world.hands[h] == "working" and not writes.ask(h) and not _freed(world, h):
            writes.park(h, "held", HOUR)
        else:
            writes.finish(h, "completed" if world.hands[h] == "working" else "failed", keep=True, items=[])
    world.hands[h] = "over"


def _freed(world: World, h: Hand) -> bool:
    """A permit that does not expire is freed when its run has ended, as every refused run looks for."""
    if TTL[h.fn]:
        return False
    world.free_permits(BILL)
    return Writes(world).ask(h)


def left(world: World) -> list[str]:
    """What is not at its end."""
    found = []
    for slot, fn in GROUPS:
        state = world.bus.slot(slot)
        found += [f"{slot}: {run} is {state.runs[run].state}" for run in state.open]
        found += [f"{slot}: {member} is due" for member in state.due]
        found += [f"{fn}: {len(world.stream(slot, fn, r).groups[fn].pending)} pending on {slot}, ready: {r}"
                  for r in (False, True) if world.stream(slot, fn, r).groups[fn].pending]  # fmt: skip
        unread = [e for e in state.events.entries if e > state.events.groups[fn].delivered]
        found += [f"{fn}: {len(unread)} unread on {slot}"] if unread else []
    found += [f"{slot}: {name} is not delivered" for slot, state in world.bus.slots.items() for name in state.outbox]
    found += [f"{fn}: waits for a permit: {m}" for (fn, _), gate in world.bus.gates.items() for m in gate.waiters
              if _is_open(world, m)]  # fmt: skip
    return found


def _is_open(world: World, member: str) -> bool:
    """Whether a waiter's run is. One that was cancelled between its refusal and its rest keeps its place in line until
    the next release passes it over, or the auditor takes it away: neither is played here."""
    slot, _, run = member.partition("|")
    return run in world.bus.slot(slot).open
