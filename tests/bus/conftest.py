"""After every bus test: no key in the store that `keys.py` does not know, or that nobody will ever clear."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from joelclaw_bus import Limits, Store, StoreSettings, open_store
from joelclaw_bus.run_calls import RunCalls
from joelclaw_bus.slot_calls import SlotCalls
from tests.support.bench import FN, Bench
from tests.support.leftovers import Leftovers
from tests.support.server import Server


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    # Asked for before the test, so that this looks before a store of the test's own is stopped.
    names = [n for n in ("server", "one_server", "own_server") if n in request.fixturenames]
    servers: list[Server] = [request.getfixturevalue(n) for n in names]
    yield
    if request.node.get_closest_marker("foreign_keys"):
        return
    for server in servers:
        if server.process is None or server.process.poll() is not None:
            continue  # the test killed it
        with server.client() as client:
            complaints = Leftovers(client).complaints()
        assert not complaints, "left behind:\n" + "\n".join(complaints)


@pytest.fixture
async def one_store(one_server: Server) -> AsyncIterator[Store]:
    """A plain store, for what does not depend on slots or versions."""
    async with open_store(StoreSettings(one_server.url)) as opened:
        yield opened


@pytest.fixture
async def bench(store: Store) -> Bench:
    slot = store.keys.slot("test/events")
    calls = SlotCalls(store, Limits())
    await calls.ensure_group(slot, FN)
    await store.call("XADD", slot.stream, "*", "data", "{}")
    return Bench(store, slot, RunCalls(store, Limits()), calls)
