"""Servers that stand in for each other, one set a test: a failover leaves traces."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.replicated import Sentinels
from tests.support.sharded import Shards


@pytest.fixture
def binary(request: pytest.FixtureRequest) -> str | None:
    """Valkey, unless a test asks for the system's `redis`: 7.0 on Debian 12, the oldest that must carry the bus."""
    if getattr(request, "param", "valkey") == "valkey":
        return None
    found = shutil.which("redis-server")
    if found is None:
        missing = "redis-server is not installed: failovers are not tried on the oldest server"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return found


@pytest.fixture
def sentinels(tmp_path: Path, binary: str | None) -> Iterator[Sentinels]:
    started = Sentinels(tmp_path, binary=binary)
    try:
        yield started.start()
    finally:
        started.stop()


@pytest.fixture
def shards(tmp_path: Path, binary: str | None) -> Iterator[Shards]:
    started = Shards(tmp_path, binary=binary)
    try:
        yield started.start()
    finally:
        started.stop()
