"""The server's clock as this process reckons it: the only clock that waiting and leases are measured by.

The offset between the server's TIME and our monotonic clock is kept from the last sync. When the two disagree by
more than a tolerance, or another server answers, that is a *discontinuity*: an outage must not look like death.

Every node of a cluster has a clock of its own. What is due, leased or taken over in a slot is measured by its node.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from joelclaw_bus.store import Store


def _monotonic_ms() -> float:
    return time.monotonic() * 1000


def _wall_ms() -> float:
    return time.time() * 1000


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one node said: its process, its role, and its time against ours."""

    server: bytes
    role: bytes
    offset: float


@dataclass
class ServerClock:
    """`tolerance_ms`: a quarter lease. `local`, `wall`: our monotonic and our wall clock in ms, handed in by tests."""

    store: Store
    tolerance_ms: float
    local: Callable[[], float] = _monotonic_ms
    wall: Callable[[], float] = _wall_ms
    _readings: dict[str, _Reading] = field(default_factory=dict)
    _steady_since: float = field(default=float("-inf"))
    _met_all: bool = False
    _moved: anyio.Event = field(default_factory=anyio.Event)

    def now_ms(self) -> int:
        """The time of the bus's own keys' node, ms since the epoch; our own wall clock before the first sync."""
        return self._now_of(self._readings.get(self.store.node_of(self.store.keys.slots)))

    def now_at(self, key: str) -> int:
        """The time of the node that serves a key."""
        known = self._readings.get(self.store.node_of(key)) if len(self._readings) > 1 else None
        return self.now_ms() if known is None else self._now_of(known)

    def _now_of(self, reading: _Reading | None) -> int:
        reading = reading or next(iter(self._readings.values()), None)
        return round(self.wall() if reading is None else self.local() + reading.offset)

    def steady_for_ms(self) -> float:
        """How long nothing has jumped, on any node."""
        return self.local() - self._steady_since

    def disturbed(self) -> None:
        """The store was out of reach, or a call came late: start counting anew."""
        self._steady_since = self.local()

    async def nap(self, seconds: float) -> None:
        """Sleep so long, or until the server's clock is known to have moved against ours: it may be time already."""
        with anyio.move_on_after(seconds):
            await self._moved.wait()

    async def sync(self) -> str:
        """Ask every node; why this is a discontinuity, else empty. StoreUnavailable, StoreRefused."""
        first, reasons, readings = not self._met_all, list[str](), dict[str, _Reading]()
        for node in await self.store.node_names():
            readings[node], why = await self._read(node)
            reasons += [why] if why else []
        self._readings, self._met_all = readings, True
        if first:
            reasons.clear()
        if reasons or first:
            self._is_another()
        return "; ".join(reasons)

    async def meet(self, key: str) -> None:
        """Ask the node that serves a key, unless it was asked before; until all have answered once `sync` may fail for
        the sake of another one. StoreUnavailable, StoreRefused."""
        if not self._met_all and (node := self.store.node_of(key)) not in self._readings:
            self._readings[node], _ = await self._read(node)
            self._is_another()

    def _is_another(self) -> None:
        """Who counts calm begins anew, and who naps looks at the time."""
        self.disturbed()
        self._moved.set()
        self._moved = anyio.Event()

    async def _read(self, node: str) -> tuple[_Reading, str]:
        before = self.local()
        info, time_now, role = await self.store.calls([("INFO", "server"), ("TIME",), ("ROLE",)], node=node)
        after = self.local()
        for reply in (info, time_now, role):
            if isinstance(reply, Exception):
                raise reply
        at = int(time_now[0]) * 1000 + int(time_now[1]) / 1000
        reading = _Reading(_field(info, b"run_id"), role[0], at - (before + after) / 2)
        return reading, self._compare(node, reading, slack=self.tolerance_ms + (after - before))

    def _compare(self, node: str, reading: _Reading, slack: float) -> str:
        known = self._readings.get(node)
        if known is None:
            return f"{node} has become a primary"
        if reading.server != known.server:
            return "another server process answers"
        if reading.role != known.role:
            return f"the server's role changed to {reading.role.decode()}"
        moved = reading.offset - known.offset
        if abs(moved) > slack:
            return f"its clock moved by {moved:.0f} ms against ours"
        return ""


def _field(info: bytes, name: bytes) -> bytes:
    for line in info.splitlines():
        if line.startswith(name + b":"):
            return line.partition(b":")[2]
    return b""
