"""One look of the recovery loop: real entries in the hands of the dead, and a claimer that runs nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from joelclaw_bus import Event, Functions, Limits, SlotCalls, Step, Store, event
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.door import Incoming
from joelclaw_bus.execute import Executor
from joelclaw_bus.functions import Function
from joelclaw_bus.keys import Slot
from joelclaw_bus.leases import Held
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.run_calls import Standing
from joelclaw_bus.suspects import Calm
from joelclaw_bus.takeover import Takeover
from joelclaw_bus.trouble import Spells, Trouble
from joelclaw_contracts import EventModel
from tests.support.seen import Seen

LEASE_MS = 60_000


class Asked(EventModel):
    event_name = "test/asked"


class Steady(ServerClock):
    """A clock that has been right for long: what is on trial is the look, not the wait before it."""

    def steady_for_ms(self) -> float:
        return float("inf")


@dataclass
class Hands:
    """Where taken entries go: an executor that holds them and runs nothing."""

    consumer: str = "healer"
    begins: int = 0
    """Of every entry, without an end."""
    claim: str = ""
    """Of every entry's latest begin; '' when none is recorded."""
    taken: list[str] = field(default_factory=list)
    let_go: list[str] = field(default_factory=list)

    @property
    def door(self) -> Hands:
        return self

    @property
    def calls(self) -> Hands:
        return self

    def run_of(self, fn: Function, incoming: Incoming) -> str:
        return f"{fn.id}:{incoming.entry}"

    async def standings(self, slot: Slot, runs: list[str]) -> list[Standing]:
        return [Standing(self.begins, self.claim) for _ in runs]

    @property
    def left_alone(self) -> Hands:
        return self

    def entries(self, function: str, stream: str) -> list[str]:
        return []

    @property
    def leases(self) -> Hands:
        return self

    def drop(self, held: Held) -> None:
        self.let_go.append(held.delivery.entry)

    def take(self, fn: Function, incoming: Incoming) -> Held:
        self.taken.append(incoming.entry)
        claim = secrets.token_hex(4)
        return Held(Delivery(incoming.slot, fn.id, self.consumer, incoming.entry, "", claim, incoming.ready))


def taking_over(store: Store, hands: Hands, seen: Seen, local: Callable[[], float] = lambda: 0.0) -> Takeover:
    """`local`: our monotonic clock, ms, for what waits for calm."""
    functions = Functions()

    @functions.function("test/ask", on=[event(Asked)], retries=1)
    async def ask(e: Event[Asked], step: Step) -> None:
        return None

    return Takeover(
        groups=[(functions["test/ask"], store.keys.slot("test/asked"))],
        executor=cast(Executor, hands),
        calls=SlotCalls(store, Limits()),
        clock=Steady(store, tolerance_ms=LEASE_MS / 4),
        observer=seen,
        trouble=Trouble(Spells("", seen, lambda: None)),
        lease_ms=LEASE_MS,
        pauses=Pauses(store, lambda: 0, {}),
        parallel=100,
        start=lambda *_: None,
        calm=Calm(LEASE_MS, local),
    )


async def pending(store: Store, consumer: str, count: int, *, idle_ms: int) -> list[str]:
    """New entries in the hands of a consumer who has not renewed them for so long."""
    slot = store.keys.slot("test/asked")
    for _ in range(count):
        await store.call("XADD", slot.stream, "*", "data", "{}")
    read = await store.call("XREADGROUP", "GROUP", "test/ask", consumer, "COUNT", count, "STREAMS", slot.stream, ">")
    entries = [entry.decode() for entry, _ in read[0][1]]
    await store.call("XCLAIM", slot.stream, "test/ask", consumer, 0, *entries, "IDLE", idle_ms, "JUSTID")
    return entries
