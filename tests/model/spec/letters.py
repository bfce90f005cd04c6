"""What crosses slots: written with what decides it, delivered by anyone, deleted when it arrived (DESIGN 9)."""

from __future__ import annotations

from typing import Any

from tests.model.spec.nouns import Bus, Letter


def put(bus: Bus, slot_name: str, item: dict[str, Any]) -> None:
    """An item is written once; its writer has a head start with the delivery."""
    outbox = bus.slot(slot_name).outbox
    outbox.setdefault(item["id"], Letter(item, bus.now + bus.bounds.head_start))


def take(bus: Bus, slot_name: str, hold: int) -> list[tuple[str, int]]:
    """What is to be delivered now, and how often it was tried; it comes again, later for each try."""
    outbox, taken = bus.slot(slot_name).outbox, []
    for name, letter in sorted(outbox.items(), key=lambda pair: (pair[1].next_try, pair[0])):
        if letter.next_try <= bus.now:
            taken.append((name, letter.tries))
            letter.next_try = bus.now + hold * 2 ** min(letter.tries, 6)
    return taken


def count(bus: Bus, slot_name: str, name: str) -> int:
    """A try of an item is counted before it is sent; of one that is gone there is none."""
    letter = bus.slot(slot_name).outbox.get(name)
    if letter is None:
        return 0
    letter.tries += 1
    return letter.tries
