"""What one part of a worker told as Stuck: each thing once, and once more when it is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from joelclaw_bus.observer import Observer, Stuck, Unstuck


@dataclass
class StuckThings:
    """Things are named by slot ('' where it is no slot's) and by what they are."""

    observer: Observer
    _told: set[tuple[str, str]] = field(default_factory=set)

    def tell(self, slot: str, what: str, reason: str) -> None:
        if (slot, what) not in self._told:
            self._told.add((slot, what))
            self.observer.saw(Stuck(slot, what, reason))

    def has(self, slot: str, what: str) -> bool:
        return (slot, what) in self._told

    def over(self, slot: str, what: str) -> None:
        """It succeeded, or is gone; nothing is said of what was not told."""
        if (slot, what) in self._told:
            self._told.discard((slot, what))
            self.observer.saw(Unstuck(slot, what))

    def all_of(self, kind: str, found: Mapping[str, str]) -> None:
        """`found` is all that is stuck now of what begins with `kind`, with the reasons: what was told and isn't among
        it is over."""
        for slot, what in sorted(self._told):
            if not slot and what.startswith(kind) and what not in found:
                self.over(slot, what)
        for what, reason in found.items():
            self.tell("", what, reason)

    def only(self, slots: Collection[str]) -> None:
        """What other slots had is another's to tell from now on, or gone with its slot."""
        for slot, what in sorted(self._told):
            if slot and slot not in slots:
                self.over(slot, what)
