"""A cluster of which one node is silent: the promoter serves the slots of the others, and asks the silent one once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, ClassVar

import pytest
import redis

from joelclaw_bus import Event, Functions, Limits, Publisher, Step, Store, StoreSettings, Worker, event
from joelclaw_bus.address import read_address
from joelclaw_bus.clock import ServerClock
from joelclaw_bus.delivery import Delivery
from joelclaw_bus.door import Admitted, Door, Incoming
from joelclaw_bus.errors import StoreUnavailable
from joelclaw_bus.keys import Keys
from joelclaw_bus.nodes import ALONE, OneNode
from joelclaw_bus.pauses import Pauses
from joelclaw_bus.promoter import Promoter
from joelclaw_bus.routing import Command, key_of
from joelclaw_bus.run_calls import Refused, RunCalls
from joelclaw_bus.trouble import Trouble
from joelclaw_contracts import EventModel
from tests.support.seen import Seen
from tests.support.server import Server


class First(EventModel):
    event_name: ClassVar[str] = "test/first"


class Second(EventModel):
    event_name: ClassVar[str] = "test/second"


class Third(EventModel):
    event_name: ClassVar[str] = "test/third"


class Nodes(OneNode):
    """One server that plays several nodes. `homes`: part of a key -> its node; `silent`: those that do not answer."""

    homes: ClassVar[dict[str, str]] = {"{bus}": "a", "test/first": "b", "test/second": "b", "test/third": "c"}

    def play(self, silent: str, *, alone: bool = False) -> None:
        self.silent, self.alone, self.asked = silent, alone, Counter[str]()

    def name_of(self, key: str | bytes) -> str:
        text = key if isinstance(key, str) else key.decode()
        return ALONE if self.alone else next(node for part, node in self.homes.items() if part in text)

    async def send(self, command: Command, node: str | None = None) -> Any:
        self._reach(command)
        return await super().send(command, node)

    async def scattered(self, commands: Sequence[Command], node: str | None = None) -> list[Any]:
        for command in commands:
            self._reach(command, node)
        return await super().scattered(commands, node)

    def _reach(self, command: Command, node: str | None = None) -> None:
        key = key_of(command)
        node = node or ("a" if key is None else self.name_of(key))
        if node == self.silent:
            self.asked[node] += 1
            raise redis.exceptions.ConnectionError("it is silent")


class Bench:
    """A promoter that is turned by hand, over three slots with one due event each."""

    def __init__(self, server: Server) -> None:
        address = read_address(server.url)
        self.nodes = Nodes(address, 2.0, 4)
        self.nodes.play("nobody")
        self.store = Store(StoreSettings(server.url), Keys(), address, self.nodes)
        seen = Seen()
        worker = Worker(self.store, Functions(), observer=seen)
        self.outbox = worker.outbox
        assert worker.clock
        self.clock = worker.clock
        self.events = (First, Second, Third)
        self.promoter = Promoter(
            [self.store.keys.slot(e.event_name) for e in self.events],
            worker.slot_calls,
            worker.outbox,
            Pauses(self.store, self.clock.now_ms),
            self.clock,
            seen,
            Trouble(worker.spells),
            Trouble(worker.spells),
            "me",
            chores_ms=1_000,
        )

    async def prepare(self) -> None:
        far = await self.store.time_ms() + 3_600_000
        for model in self.events:
            await Publisher(self.store).send(model(), id="later", at_ms=far)
            await self.store.call("ZADD", self.store.keys.slot(model.event_name).due, "XX", 1, "e:later")
        await self.clock.sync()

    async def arrived(self) -> list[int]:
        return [await self.store.call("XLEN", event.event_name) for event in self.events]


@pytest.fixture
async def bench(one_server: Server) -> AsyncIterator[Bench]:
    made = Bench(one_server)
    await made.prepare()
    yield made
    made.outbox.posted.close()
    await made.store.close()


async def test_slots_listed_behind_a_silent_node_s_are_promoted(bench: Bench) -> None:
    bench.nodes.play("b")
    with pytest.raises(StoreUnavailable, match="it is silent"):
        await bench.promoter.step()
    assert bench.nodes.asked["b"] == 1, "two slots lie there"
    bench.nodes.play("nobody")
    assert await bench.arrived() == [0, 0, 1]
    bench.promoter._swept_ms = 0
    assert await bench.promoter.step()
    assert await bench.arrived() == [1, 1, 1]


async def test_what_is_known_to_be_due_is_promoted_behind_a_silent_node_s(bench: Bench) -> None:
    """Between two sweeps, too: what a nudge told."""
    bench.promoter._swept_ms = bench.clock.now_ms()
    bench.promoter.heads = {event.event_name: 0 for event in bench.events}
    bench.nodes.play("b")
    with pytest.raises(StoreUnavailable, match="it is silent"):
        await bench.promoter.step()
    bench.nodes.play("nobody")
    assert await bench.arrived() == [0, 0, 1]


async def test_without_the_node_of_the_bus_s_own_keys_a_worker_promotes_its_own_slots(bench: Bench) -> None:
    bench.nodes.play("a")
    with pytest.raises(StoreUnavailable, match="it is silent"):
        await bench.promoter.step()
    bench.nodes.play("nobody")
    assert await bench.arrived() == [1, 1, 1]


async def test_one_server_that_is_away_is_asked_once(bench: Bench) -> None:
    bench.nodes.play(ALONE, alone=True)
    with pytest.raises(StoreUnavailable, match="it is silent"):
        await bench.promoter.step()
    assert bench.nodes.asked[ALONE] == 1


async def test_a_worker_that_starts_while_a_node_is_silent_admits_what_lies_on_the_others(bench: Bench) -> None:
    functions = Functions()

    @functions.function("test/ask", on=[event(First), event(Third)], retries=1)
    async def ask(e: Event[First | Third], step: Step) -> None:
        return None

    runs, outbox, clock = RunCalls(bench.store, Limits()), bench.outbox, ServerClock(bench.store, tolerance_ms=500)
    door = Door(functions, runs, outbox, clock, Seen(), Limits())

    async def admit(model: type[EventModel]) -> Admitted | None:
        slot = bench.store.keys.slot(model.event_name)
        incoming = Incoming(slot, "1-0", {b"data": b"{}"}, ready=False, again=False)
        return await door.admit(
            functions["test/ask"], incoming, Delivery(slot, "test/ask", "me", "1-0", "", "c", False), insist
        )

    bench.nodes.play("b")
    assert await admit(Third)
    with pytest.raises(StoreUnavailable, match="it is silent"):
        await admit(First)
    assert await admit(Third)


async def insist(burial: Callable[[], Awaitable[bool | Refused]]) -> bool | Refused:
    return await burial()
