"""What was named already: a finding that stays is told once, and again only when it had gone away in between.

A place of which so many were told tells no more until some are gone: what can't be remembered would be told every pass.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

MOST = 10_000


@dataclass
class Told:
    """One set per place (an index of a slot): what this pass saw, and what the last one did."""

    _last: dict[Hashable, set[str]] = field(default_factory=dict)
    _this: dict[Hashable, set[str]] = field(default_factory=dict)

    def is_news(self, place: Hashable, what: str) -> bool:
        this = self._this.setdefault(place, set())
        known = what in this or what in self._last.get(place, ())
        if len(this) >= MOST:
            return False
        this.add(what)
        return not known

    def passed(self, place: Hashable) -> None:
        """A pass over the whole place has ended: what it did not see is gone."""
        self._last[place] = self._this.pop(place, set())


@dataclass
class Confirmed:
    """What two slots say of each other is not read in one moment: it counts only when it stays so for a while."""

    patience_ms: int
    _since: dict[Hashable, int] = field(default_factory=dict)
    _seen: set[Hashable] = field(default_factory=set)

    def holds(self, what: Hashable, now_ms: int) -> bool:
        """Whether this has been so, at every look, for long enough."""
        self._seen.add(what)
        return now_ms - self._since.setdefault(what, now_ms) >= self.patience_ms

    def passed(self) -> None:
        """All was looked at: what was not so any more begins anew."""
        self._since = {what: at for what, at in self._since.items() if what in self._seen}
        self._seen.clear()
