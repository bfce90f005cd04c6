"""What only a newer build can begin, while older workers read the same streams: they leave it alone. (Record 0161.)

It is handed back at once, so that a newer worker has it at its next look; and for a lease whoever refused it does not
look at it again, or older workers would hand it to each other and to themselves for ever. After a lease it is looked
at once more: the newer build may have been taken back, and the record be gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from joelclaw_bus.slot_calls import GroupCalls

REMEMBERED = 1_000
"""So many entries are remembered. What comes when there are more is held until its lease has run out: handed back at
once and forgotten, it would be claimed again at every look."""


@dataclass
class LeftAlone:
    """`local`: our monotonic clock, ms."""

    calls: GroupCalls
    consumer: str
    lease_ms: int
    local: Callable[[], float]
    _until: dict[tuple[str, str, str], float] = field(default_factory=dict)

    async def leave(self, function: str, stream: str, entries: Sequence[str]) -> None:
        """Hand these back, of which no lease is renewed any more. StoreUnavailable: their leases run out by
        themselves."""
        self._forget_what_is_over()
        until, back = self.local() + self.lease_ms, list[str]()
        for entry in entries:
            name = function, stream, entry
            if name in self._until or len(self._until) < REMEMBERED:
                self._until[name] = until
                back.append(entry)
        if back:
            await self.calls.hand_back(stream, function, self.consumer, self.lease_ms, back)

    def entries(self, function: str, stream: str) -> list[str]:
        """Those of one group that are not looked at now."""
        self._forget_what_is_over()
        return [entry for fn, source, entry in self._until if (fn, source) == (function, stream)]

    def _forget_what_is_over(self) -> None:
        now = self.local()
        for name in [name for name, until in self._until.items() if until <= now]:
            del self._until[name]
