"""Servers that stand in for each other, one set a test: a failover leaves traces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.replicated import Sentinels
from tests.support.sharded import Shards


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    started = Sentinels(tmp_path)
    try:
        yield started.start()
    finally:
        started.stop()


@pytest.fixture
def shards(tmp_path: Path) -> Iterator[Shards]:
    started = Shards(tmp_path)
    try:
        yield started.start()
    finally:
        started.stop()
