"""Cron: each nominal instant once, for any number of schedulers; the mark only moves forward (DESIGN 14)."""

from __future__ import annotations

from tests.model.spec.nouns import Bus, Schedule


def register(
    bus: Bus, slot: str, name: str, expression: str, *, generation: int, mark: int, first: int, silent: int
) -> tuple[int, int, int, bool, bool]:
    """Of two expressions the one whose scheduler began later stands: (generation, mark, first, whether it is ours,
    whether it had been lost)."""
    schedules = bus.slot(slot).schedules
    had, first = schedules.get(name), first or bus.now * 1000
    if had and had.expression == expression:
        had.since, had.seen = max(had.since, first), bus.now
        return had.generation, had.mark, first, True, False
    if had and first <= had.since and bus.now - had.seen <= silent:
        return had.generation, had.mark, first, False, False
    new = Schedule(expression, max(had.generation if had else 0, generation - 1) + 1, bus.now, first, bus.now)
    if had:
        new.mark = max(had.mark, bus.now)
    elif mark:
        new.mark = mark
    schedules[name] = new
    return new.generation, new.mark, first, True, not had and generation != 0


def tick(bus: Bus, slot: str, name: str, generation: int, nominal: int, data: str | None) -> bool | str:
    """Whether this call enqueued the instant (or passed it, `data` None): not twice, not early, not for an old form."""
    had = bus.slot(slot).schedules.get(name)
    if not had or had.generation != generation:
        return "superseded"
    if nominal <= had.mark or nominal > bus.now:
        return "early" if had.mark < nominal else False
    had.mark, had.seen = nominal, bus.now
    if data is not None:
        bus.slot(slot).events.add(bus.now, {"data": data})
    return True
