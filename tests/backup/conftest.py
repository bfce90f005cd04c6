"""A real source, a destination, and the steps between them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from joelclaw_backup.address import parse_address
from joelclaw_backup.destination import Destination
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.settings import BackupSettings
from tests.support.server import Server

AT_ONCE = ("--repl-diskless-sync-delay", "0")


@pytest.fixture(scope="session")
def valkey_source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("source"), aof=False, options=AT_ONCE).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    binary = shutil.which("redis-server")
    if binary is None:
        missing = "redis-server is not installed: no dump of Redis is tried"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    server = Server(tmp_path_factory.mktemp("redis-source"), binary=binary, aof=False, options=AT_ONCE).start()
    yield server
    server.stop()


@pytest.fixture
def source(valkey_source: Server) -> Server:
    """An empty Valkey (but for the mark of the tests)."""
    valkey_source.empty()
    return valkey_source


@pytest.fixture(params=["valkey", "redis"])
def any_source(request: pytest.FixtureRequest) -> Server:
    """An empty Valkey 9 and Redis 7."""
    server: Server = request.getfixturevalue(f"{request.param}_source")
    server.empty()
    return server


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    """The root of a destination that somebody configured."""
    root = tmp_path / "nas"
    root.mkdir()
    return root


def settings_of(server: Server | str, root: Path, **more: Any) -> BackupSettings:
    url = server if isinstance(server, str) else server.url
    state = root.parent / "state"
    staging = Destination("directory", state / "backup-staging", ours=True)
    return BackupSettings(
        parse_address(url), Destination("directory", root), staging, state / "backup-checks" / "redis", **more
    )


async def back_up(backup: RedisBackup, run: str = "system/backup.redis:1", at_ms: int = 1_795_000_000_000) -> Any:
    """The four steps in order, as a run makes them: (what was taken, what was proven, what was published)."""
    taken = await backup.take(run, 0, "a test", at_ms)
    copied = await backup.copy(taken)
    proven = await backup.verify(taken, copied)
    return taken, proven, await backup.publish(taken, copied, proven)


@pytest.fixture
def environ(tmp_path: Path, nas: Path) -> Callable[..., dict[str, str]]:
    """The environment of one whose destination is `nas`."""

    def make(document: str = "", **more: str) -> dict[str, str]:
        config = tmp_path / "config.json"
        there = {"backup": {"destination": {"kind": "directory", "path": str(nas)}}}
        config.write_text(document or json.dumps(there))
        return {
            "HOME": str(tmp_path),
            "JOELCLAW_CONFIG": str(config),
            "JOELCLAW_STATE_DIR": str(tmp_path / "state"),
            **more,
        }

    return make
