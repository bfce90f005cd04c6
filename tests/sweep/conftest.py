"""A server that loses nothing but time: the sweep kills workers, never the store, so it needs no append-only file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import Server


@pytest.fixture(scope="session")
def swept_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("swept"), aof=False).start()
    yield server
    server.stop()
