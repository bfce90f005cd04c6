"""A network that fails silently: connections freeze without a word, and new ones work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import ClassVar

import anyio
import pytest

from joelclaw_bus import Event, Functions, Publisher, Step, Store, StoreSettings, StoreUnavailable, event, open_store
from joelclaw_bus.observer import RunEnded
from joelclaw_contracts import EventModel
from tests.support.server import Server
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import until
from tests.support.workers import working

CHANNEL = "bus/nudges"


class Call(EventModel):
    event_name: ClassVar[str] = "test/call"


@pytest.fixture
def proxy(one_server: Server) -> Iterator[TcpProxy]:
    started = TcpProxy(one_server.port).start()
    yield started
    started.stop()


@pytest.fixture
async def through(proxy: TcpProxy) -> AsyncIterator[Store]:
    """The store, seen through the proxy."""
    url = f"redis://127.0.0.1:{proxy.port}/0"
    async with open_store(StoreSettings(url, deadline=0.5)) as opened:
        yield opened


async def subscribers(store: Store) -> int:
    return int((await store.call("PUBSUB", "NUMSUB", CHANNEL))[1])


async def test_a_frozen_subscription_is_noticed_and_made_anew(
    proxy: TcpProxy, through: Store, one_store: Store
) -> None:
    async with working(through, functions()):
        await until(lambda: _equal(one_store, 1))
        proxy.black_hole()
        # The server does not know that the frozen one is dead, so there are two.
        await until(lambda: _equal(one_store, 2))
        assert await subscribers(one_store) == 2


async def test_a_quiet_subscription_that_lives_stays(through: Store, one_store: Store) -> None:
    async with through.listener(CHANNEL) as listener:
        for _ in range(4):
            assert await listener.next(timeout=0.4) is None
        await one_store.call("PUBLISH", CHANNEL, "after a long silence")
        heard = None
        with anyio.fail_after(60):
            while heard is None:
                heard = await listener.next(timeout=0.4)
        assert heard == b"after a long silence"


async def test_a_dead_subscription_says_so(proxy: TcpProxy, through: Store) -> None:
    async with through.listener(CHANNEL) as listener:
        await listener.next(timeout=0.1)
        proxy.black_hole()

        async def listen_on() -> None:
            with anyio.fail_after(60):
                while True:
                    await listener.next(timeout=0.2)

        with pytest.raises(StoreUnavailable, match="silent"):
            await listen_on()


async def test_a_worker_consumes_again_after_a_black_hole_without_a_restart(
    proxy: TcpProxy, through: Store, one_store: Store
) -> None:
    async with working(through, functions()) as seen:
        await Publisher(one_store).send(Call())
        await seen.wait(RunEnded)
        proxy.black_hole()
        await Publisher(one_store).send(Call())
        ended = await seen.wait(RunEnded, 2)
        assert [e.status for e in ended] == ["completed"] * 2


def functions() -> Functions:
    made = Functions()

    @made.function("test/answer", on=[event(Call)], retries=1)
    async def answer(e: Event[Call], step: Step) -> None:
        await step.run("one", lambda: 1)

    return made


async def _equal(store: Store, count: int) -> bool:
    return await subscribers(store) == count
