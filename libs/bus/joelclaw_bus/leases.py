"""What this worker holds, and the thread that keeps it.

Renewal runs in a thread of its own, because a handler that blocks the event loop must not lose its lease at once. It
goes on for four leases of silence; then it stops, and the watchdog (which needs no GIL) ends the process.
"""

from __future__ import annotations

import faulthandler
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import anyio

from joelclaw_bus.delivery import Delivery
from joelclaw_bus.errors import BusError, StoreRefused
from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_bus.script import load_script
from joelclaw_bus.store import BlockingStore
from joelclaw_bus.trouble import is_away

SILENT_LEASES = 4
PERMIT_LEASES = 3
_script = partial(load_script, "joelclaw_bus")


@dataclass(frozen=True, slots=True)
class HeldPermit:
    """A permit that is renewed while its handler is at work: where it lies, and which begin holds it. One that is kept
    `until_the_end` doesn't expire; what is renewed there is that its handler has not stopped."""

    permits: str
    claims: str
    member: str
    claim: str
    most: int
    until_the_end: bool = False


@dataclass(eq=False)
class Held:
    """One delivery in our hands. `scope` is the handler's; it is cancelled when the lease is lost, but not while the
    outcome is being written (`settling`): an entry that is gone then may have been let go of by our own write, whose
    answer was lost. The next try tells."""

    delivery: Delivery
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    permit: HeldPermit | None = None
    give_back: OutboxItem | None = None
    """What frees its exclusive permit when its run was ended from outside, and its handler has stopped."""
    lost: bool = False
    abandoned: bool = False
    """Its worker stops: its scope is cancelled, and no lease was lost."""
    settling: bool = False
    name: tuple[str, str, str] = field(init=False)
    """Two functions on one stream get the same entry, each by its own group: that makes two deliveries."""

    def __post_init__(self) -> None:
        self.name = self.delivery.source, self.delivery.function, self.delivery.entry


@dataclass(eq=False)
class Leases:
    """All that is held. `call_soon` hands a callable to the event loop from the renewal thread."""

    lease_ms: int
    consumer: str
    store: BlockingStore
    call_soon: Callable[[Callable[[], None]], object]
    on_trouble: Callable[[BusError], object]
    watchdog: bool = False
    now: Callable[[], float] = time.monotonic
    _held: dict[tuple[str, str, str], Held] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _beat: float = float("-inf")
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _emptied: anyio.Event = field(default_factory=anyio.Event)

    def take(self, delivery: Delivery) -> Held | None:
        """Hold a delivery; None when it is in our hands already: an entry never runs twice at once here."""
        held = Held(delivery)
        with self._lock:
            if held.name in self._held:
                return None
            self._held[held.name] = held
        return held

    def drop(self, held: Held) -> None:
        with self._lock:
            self._held.pop(held.name, None)
        if not self._held:
            self._emptied.set()
            self._emptied = anyio.Event()

    async def emptied(self) -> None:
        """Waits until nothing is held any more."""
        while self._held:
            await self._emptied.wait()

    def abandon(self) -> None:
        """End every handler; what is being written is written."""
        for held in list(self._held.values()):
            held.abandoned = True
            held.scope.cancel()

    def __len__(self) -> int:
        return len(self._held)

    def beat(self) -> None:
        """The event loop is alive. Called by it several times a lease."""
        self._beat = self.now()
        if self.watchdog:
            faulthandler.dump_traceback_later(SILENT_LEASES * self.lease_ms / 1000, exit=True)

    def start(self) -> None:
        self.beat()
        self._thread = threading.Thread(target=self._renew_for_ever, name="lease-renewal", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=self.lease_ms / 1000)
        if self.watchdog:
            faulthandler.cancel_dump_traceback_later()
        self.store.close()

    def _renew_for_ever(self) -> None:
        wait = self.lease_ms / 3000
        while not self._stop.wait(wait):
            wait = self.turn()

    def turn(self) -> float:
        """One renewal, unless the event loop is silent; seconds until the next one."""
        if self.now() - self._beat <= SILENT_LEASES * self.lease_ms / 1000:
            try:
                self.renew()
            except BusError as error:
                # Try soon again: after an outage owners must be quicker than those who would take over.
                # A refusal of one stream is no outage: the others were renewed, and takeover goes on.
                if is_away(error):
                    self.on_trouble(error)
                    return min(self.lease_ms / 30_000, 0.2)
        return self.lease_ms / 3000

    def renew(self) -> None:
        """One round over everything held. BusError when the store did not answer."""
        by_source: dict[tuple[str, str], list[Held]] = {}
        with self._lock:
            for held in self._held.values():
                by_source.setdefault((held.delivery.source, held.delivery.function), []).append(held)
        refused = list[StoreRefused]()
        for (source, function), all_held in by_source.items():
            try:
                self._renew(source, function, all_held)
            except StoreRefused as error:
                if is_away(error):
                    raise
                refused.append(error)
        if refused:
            raise refused[0]

    def _renew(self, source: str, function: str, all_held: list[Held]) -> None:
        entries = [h.delivery.entry for h in all_held]
        answer = self.store.run(_script("renew"), [source], [function, self.consumer, *entries])
        gone = {entry.decode() for entry in answer}
        for held in all_held:
            if held.delivery.entry in gone:
                self.call_soon(partial(self._lose, held))
            p = held.permit
            # A handler that hears of its run's end may be a while about it: till it has stopped nobody takes its place.
            if p and (p.until_the_end or held.delivery.entry not in gone):
                ttl = self.lease_ms if p.until_the_end else PERMIT_LEASES * self.lease_ms
                how = p.member, p.claim, ttl, int(p.until_the_end)
                self.store.run(_script("keep_permit"), [p.permits, p.claims], how)

    def _lose(self, held: Held) -> None:
        # It may have been settled while the renewal was on its way: then nothing is lost.
        if self._held.get(held.name) is held:
            held.lost = True
            if not held.settling:
                held.scope.cancel()
