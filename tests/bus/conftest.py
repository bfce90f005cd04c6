"""After every bus test: no key in the store that `keys.py` does not know, or that nobody will ever clear."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.leftovers import Leftovers
from tests.support.server import Server


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    # Asked for before the test, so that this looks before a store of the test's own is stopped.
    names = [n for n in ("server", "one_server", "own_server") if n in request.fixturenames]
    servers: list[Server] = [request.getfixturevalue(n) for n in names]
    yield
    for server in servers:
        if server.process is None or server.process.poll() is not None:
            continue  # the test killed it
        with server.client() as client:
            complaints = Leftovers(client).complaints()
        assert not complaints, "left behind:\n" + "\n".join(complaints)
