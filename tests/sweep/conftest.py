"""A server that loses nothing but time: the sweep kills workers, never the store, so it needs no append-only file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from _pytest.terminal import TerminalReporter

from joelclaw_bus import StoreSettings, open_store
from tests.support.server import Server
from tests.sweep.play import Stage


@pytest.fixture(scope="session")
def swept_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("swept"), aof=False).start()
    yield server
    server.stop()


@pytest.fixture
async def stage(swept_server: Server) -> AsyncIterator[Stage]:
    async with open_store(StoreSettings(swept_server.url, connections=64, deadline=30)) as store:
        with swept_server.client() as client:
            yield Stage(swept_server.url, store.address, store.nodes, client)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """How much was tried; from the reports, since the tests may have run in other processes."""
    found = [pair for report in terminalreporter.getreports("passed") for pair in report.user_properties]
    for name, what in (("crash_points", "faults at store calls"), ("losses", "things lost one at a time")):
        counts = [int(str(value)) for key, value in found if key == name]
        if counts:
            terminalreporter.write_line(f"sweep: {sum(counts)} {what}, in {len(counts)} tests; none was skipped")
