"""Fixtures that all rooms share: a real store, plain and as a one-node cluster."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from joelclaw_bus import Store, StoreSettings, open_store
from tests.support.memory import memory_folder
from tests.support.server import Server

# No deadline and no speed check: these machines are noisy, and a property is true or false at any speed.
settings.register_profile("system-bus", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("system-bus")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the stores write. What a test looks at itself, beside its store, belongs into its `tmp_path`."""
    with memory_folder(tmp_path_factory.mktemp("stores")) as folder:
        yield folder


@pytest.fixture(scope="session")
def plain_server(store_folder: Path) -> Iterator[Server]:
    server = Server(store_folder / "plain").start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cluster_server(store_folder: Path) -> Iterator[Server]:
    server = Server(store_folder / "cluster", cluster=True).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server(store_folder: Path) -> Iterator[Server]:
    """The system's own redis-server: 7.0 on Debian 12, the oldest that must carry the bus."""
    binary = shutil.which("redis-server")
    if binary is None:
        missing = "redis-server is not installed: the bus is not tried on the oldest server it must run on"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    server = Server(store_folder / "redis", binary=binary).start()
    yield server
    server.stop()


@pytest.fixture(params=["plain", "cluster", "redis"])
def server(request: pytest.FixtureRequest) -> Server:
    """An empty store: every test that takes it runs on Valkey, on a one-node cluster and on Redis."""
    chosen: Server = request.getfixturevalue(f"{request.param}_server")
    chosen.empty()
    return chosen


@pytest.fixture
def one_server(plain_server: Server) -> Server:
    """An empty plain store, for what does not depend on slots."""
    plain_server.empty()
    return plain_server


@pytest.fixture
def own_server(store_folder: Path) -> Iterator[Server]:
    """A store of the test's own, to kill and freeze."""
    with tempfile.TemporaryDirectory(dir=store_folder, prefix="own-", ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder)).start()
        yield server
        server.stop()


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(server.url)) as opened:
        yield opened
