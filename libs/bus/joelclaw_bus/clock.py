"""The server's clock as this process reckons it: the only clock that waiting and leases are measured by.

The offset between the server's TIME and our monotonic clock is kept from the last sync. When the two disagree by
more than a tolerance, or another server answers, that is a *discontinuity*: an outage must not look like death.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from joelclaw_bus.store import Store


def _monotonic_ms() -> float:
    return time.monotonic() * 1000


def _wall_ms() -> float:
    return time.time() * 1000


@dataclass
class ServerClock:
    """`tolerance_ms`: a quarter lease. `local`: our monotonic clock, ms; `wall`: the other one; tests hand them in."""

    store: Store
    tolerance_ms: float
    local: Callable[[], float] = _monotonic_ms
    wall: Callable[[], float] = _wall_ms
    _offset: float | None = None
    _server: bytes = b""
    _role: bytes = b""
    _steady_since: float = field(default=float("-inf"))

    def now_ms(self) -> int:
        """The server's time, ms since the epoch; our own wall clock before the first sync."""
        return round(self.wall() if self._offset is None else self.local() + self._offset)

    def steady_for_ms(self) -> float:
        """How long nothing has jumped."""
        return self.local() - self._steady_since

    def disturbed(self) -> None:
        """The store was out of reach, or a call came late: start counting anew."""
        self._steady_since = self.local()

    async def sync(self) -> str:
        """Ask the server; why this is a discontinuity, else empty. StoreUnavailable, StoreRefused."""
        before = self.local()
        info, time_now = await self.store.calls([("INFO", "server"), ("TIME",)])
        role = await self.store.call("ROLE")
        after = self.local()
        for reply in (info, time_now):
            if isinstance(reply, Exception):
                raise reply
        server = _field(info, b"run_id")
        at = int(time_now[0]) * 1000 + int(time_now[1]) / 1000
        offset = at - (before + after) / 2
        first = self._offset is None
        why = "" if first else self._compare(server, role[0], offset, slack=self.tolerance_ms + (after - before))
        self._server, self._role, self._offset = server, role[0], offset
        if why or first:
            self.disturbed()
        return why

    def _compare(self, server: bytes, role: bytes, offset: float, slack: float) -> str:
        if server != self._server:
            return "another server process answers"
        if role != self._role:
            return f"the server's role changed to {role.decode()}"
        moved = offset - (self._offset or 0.0)
        if abs(moved) > slack:
            return f"its clock moved by {moved:.0f} ms against ours"
        return ""


def _field(info: bytes, name: bytes) -> bytes:
    for line in info.splitlines():
        if line.startswith(name + b":"):
            return line.partition(b":")[2]
    return b""
