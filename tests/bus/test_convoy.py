"""Calls that wait at the same moment travel together, and each is answered as if it had travelled alone."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import redis
from anyio.lowlevel import checkpoint

from joelclaw_bus import Store
from joelclaw_bus.address import Address, read_address
from joelclaw_bus.connect import async_client
from joelclaw_bus.convoy import MOST, Convoy
from joelclaw_bus.replies import translate
from tests.support.resp_proxy import Refuse, RespProxy, Verdict
from tests.support.server import Server


class Counted(Convoy):
    """Notes how many calls each trip took along; `held` keeps the trips waiting."""

    def __init__(self, client: Any) -> None:
        super().__init__(client, lanes=1)
        self.trips: list[int] = []
        self.held = anyio.Event()
        self.held.set()

    async def _trip(self, packed: list[bytes], replies: list[Any]) -> None:
        self.trips.append(len(packed))
        with anyio.move_on_after(30):  # a trip is shielded: a test that fails must end
            await self.held.wait()
        await super()._trip(packed, replies)


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[Counted]:
    client = async_client(address, None, deadline=20.0, connect=20.0, connections=8)  # enough to keep one
    try:
        yield Counted(client)
    finally:
        await client.aclose()


@pytest.fixture
async def convoy(one_store: Store) -> AsyncIterator[Counted]:
    async with connected(one_store.address) as convoy:
        yield convoy


async def together(convoy: Counted, *commands: tuple[str, ...]) -> list[Any]:
    """The answers of commands that travel together, in this order."""
    answers = dict[int, Any]()

    async def ask(n: int) -> None:
        answers[n] = await convoy.send(commands[n])

    convoy.held = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(convoy.send, ("PING",))
        await until(lambda: convoy.trips)
        for n in range(len(commands)):
            tasks.start_soon(ask, n)
            await until(lambda there=n + 1: len(convoy._waiting) == there)
        convoy.held.set()
    assert convoy.trips == [1, len(commands)]
    return [answers[n] for n in range(len(commands))]


async def test_what_waits_while_every_lane_is_busy_goes_in_one_trip_and_each_gets_its_own_answer(
    convoy: Counted,
) -> None:
    answers: dict[int, bytes] = {}

    async def echo(n: int) -> None:
        answers[n] = await convoy.send(("ECHO", f"word {n}"))

    convoy.held = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for n in range(50):
            tasks.start_soon(echo, n)
        await until(lambda: convoy.trips and len(convoy._waiting) == 49)
        convoy.held.set()
    assert answers == {n: b"word %d" % n for n in range(50)}
    assert convoy.trips == [1, 49]


async def test_a_trip_has_a_limit_and_nobody_is_left_behind(convoy: Counted) -> None:
    convoy.held = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for _ in range(3 * MOST):
            tasks.start_soon(convoy.send, ("INCR", "test/convoy"))
        await until(lambda: len(convoy._waiting) == 3 * MOST - 1)
        convoy.held.set()
    assert await convoy.send(("GET", "test/convoy")) == str(3 * MOST).encode()
    assert max(convoy.trips) == MOST
    await convoy.send(("DEL", "test/convoy"))


async def test_a_refusal_concerns_the_one_who_asked(convoy: Counted) -> None:
    good, bad, also_good = await together(convoy, ("ECHO", "a"), ("NOSUCHCOMMAND",), ("ECHO", "b"))
    assert (good, also_good) == (b"a", b"b")
    assert isinstance(bad, redis.exceptions.ResponseError)


@pytest.mark.parametrize("refusal", ["WRONGPASS no such user", "NOAUTH log in", "LOADING wait", "READONLY replica"])
async def test_it_does_so_where_the_client_takes_it_for_the_end_of_the_connection(
    one_server: Server, refusal: str
) -> None:
    """Those behind it were done: what they are told must not be that they were refused."""

    def judge(kind: str, request: list[bytes]) -> Verdict:
        return Refuse(refusal) if kind == "SET" else None

    async with RespProxy(one_server.port, judge) as proxy, connected(read_address(proxy.url)) as convoy:
        before, bad, after = await together(convoy, ("INCR", "n"), ("SET", "n", "9"), ("INCR", "n"))
        assert (before, after) == (1, 2)
        assert isinstance(bad, redis.exceptions.RedisError)
        assert translate(bad, "here").kind == refusal.split()[0]
        assert await convoy.send(("DEL", "n")) == 1


async def test_what_was_answered_before_the_line_broke_was_answered(convoy: Counted) -> None:
    before, breaks, after = await together(convoy, ("INCR", "test/convoy"), ("QUIT",), ("INCR", "test/convoy"))
    assert (before, breaks) == (1, b"OK")
    assert isinstance(after, redis.exceptions.ConnectionError)
    assert await convoy.send(("GET", "test/convoy")) == b"1"
    await convoy.send(("DEL", "test/convoy"))


async def test_one_who_is_cancelled_while_waiting_sends_nothing_and_holds_nobody_up(convoy: Counted) -> None:
    convoy.held = anyio.Event()
    scope = anyio.CancelScope()
    answers: list[Any] = []

    async def given_up() -> None:
        with scope:
            await convoy.send(("SET", "test/convoy", "never"))

    async def echo() -> None:
        answers.append(await convoy.send(("ECHO", "a")))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(convoy.send, ("PING",))
        await until(lambda: convoy.trips)
        tasks.start_soon(given_up)
        tasks.start_soon(echo)
        await until(lambda: len(convoy._waiting) == 2)
        scope.cancel()
        await until(lambda: len(convoy._waiting) == 1)
        convoy.held.set()
    assert answers == [b"a"]
    assert await convoy.send(("EXISTS", "test/convoy")) == 0


async def test_one_who_is_cancelled_with_the_wheel_in_hand_hands_it_on(convoy: Counted) -> None:
    """Cancelled in the moment between being told to drive and driving: those behind would wait for ever."""
    scope = anyio.CancelScope()
    answers: list[Any] = []

    async def given_up() -> None:
        with scope:
            await convoy.send(("ECHO", "given up"))

    async def echo() -> None:
        answers.append(await convoy.send(("ECHO", "a")))

    convoy.held = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(convoy.send, ("PING",))
        await until(lambda: convoy.trips)
        tasks.start_soon(given_up)
        await until(lambda: len(convoy._waiting) == 1)
        first = convoy._waiting[0]
        tasks.start_soon(echo)
        await until(lambda: len(convoy._waiting) == 2)
        first.told.add_done_callback(lambda _: scope.cancel())
        convoy.held.set()
    assert answers == [b"a"]
    assert await convoy.send(("PING",)) == b"PONG"
    assert convoy._driving == 0


async def test_a_driver_that_is_cancelled_brings_its_trip_home(convoy: Counted) -> None:
    convoy.held = anyio.Event()
    scope = anyio.CancelScope()
    answers: list[Any] = []

    async def given_up() -> None:
        with scope:
            await convoy.send(("INCR", "test/convoy"))

    async def echo() -> None:
        answers.append(await convoy.send(("ECHO", "a")))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(given_up)
        await until(lambda: convoy.trips)
        tasks.start_soon(echo)
        await until(lambda: len(convoy._waiting) == 1)
        scope.cancel()
        await checkpoint()
        convoy.held.set()
    assert answers == [b"a"]
    assert await convoy.send(("GET", "test/convoy")) == b"1"
    await convoy.send(("DEL", "test/convoy"))


@pytest.mark.slow
async def test_a_silent_server_is_everybodys_fault_and_calls_go_on_when_it_speaks(server: Server) -> None:
    client = async_client(read_address(server.url), None, deadline=1.0, connect=1.0, connections=4)
    convoy = Convoy(client)
    answers: list[Any] = []

    async def ask() -> None:
        answers.append(await convoy.send(("PING",)))

    try:
        assert await convoy.send(("PING",)) == b"PONG"
        server.send(signal.SIGSTOP)
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ask)
        assert [isinstance(a, redis.exceptions.RedisError | OSError) for a in answers] == [True] * 10
        server.send(signal.SIGCONT)
        assert await convoy.send(("PING",)) == b"PONG"
    finally:
        server.send(signal.SIGCONT)
        await client.aclose()


async def until(holds: Any) -> None:
    with anyio.fail_after(60):
        while not holds():
            await checkpoint()
