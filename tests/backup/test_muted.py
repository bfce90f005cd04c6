"""A store whose disk is full and that has save points refuses all writes: our backups cause it not, and it is heard."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.server import Server

pytestmark = pytest.mark.slow
DISK = ("--save", "3600 1", "--repl-diskless-sync", "no", "--repl-diskless-sync-delay", "0", "--rdbcompression", "no")


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came to that")


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Server]:
    """A bus that has save points, and writes a file of its own for whoever wants to be its replica."""
    server = Server(tmp_path / "bus", aof=False, options=DISK).start()
    yield server
    server.stop()


@contextmanager
def full(server: Server) -> Iterator[None]:
    """Its disk takes no file of more than 64 KiB."""
    assert server.process
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (65_536, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)


@pytest.fixture
def service(bus: Server, environ, tmp_path: Path, nas: Path) -> Iterator[Path]:
    """Its backups, in a process of their own; what it says on stderr."""
    there = {"backup": {"destination": {"path": str(nas)}}}
    env = {"PATH": os.environ["PATH"], "REDIS_URL": bus.url, "JOELCLAW_LEASE_MS": "1000", **environ(json.dumps(there))}
    with (tmp_path / "log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "joelclaw_backup"], env=env, stderr=log)
    yield tmp_path / "log"
    process.kill()
    process.wait()


def test_our_backup_writes_nothing_on_its_sources_disk_and_so_a_full_one_mutes_nobody(bus, service, nas):
    """Though the server is told to make a file for each replica."""
    with bus.client() as client:
        until(lambda: client.hexists("{bus}:functions", "system/backup.redis"))
        client.set("big", os.urandom(400_000))
        with full(bus):
            client.xadd("backup/run.requested", {"id": "quiet", "data": '{"target": "redis"}'})
            until(lambda: list(nas.rglob("*/verified.json")))
            assert client.info("persistence")["rdb_last_bgsave_status"] == "ok"
            client.set("x", 1)
    assert alerts(service) == []


def test_a_snapshot_that_makes_the_store_refuse_writes_is_noticed_by_the_path_without_the_store(bus, service, nas):
    with bus.client() as client:
        until(lambda: client.hexists("{bus}:functions", "system/backup.redis"))
        client.set("big", os.urandom(400_000))
        with full(bus):
            client.bgsave()  # somebody's backup; it answers that it started
            until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
            with pytest.raises(redis.exceptions.ResponseError, match="MISCONF"):
                client.set("x", 1)
            (opened,) = until(lambda: [line for line in alerts(service) if "ALERT opened store/unavailable" in line])
            assert "can't write its files" in opened
        client.bgsave()
        until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok")
        until(lambda: [line for line in alerts(service) if "ALERT resolved store/unavailable" in line])
        client.xadd("backup/run.requested", {"id": "after", "data": '{"target": "redis"}'})
        until(lambda: list(nas.rglob("*/verified.json")))


def alerts(log: Path) -> list[str]:
    """What it told on stderr, where its supervisor and a person look."""
    return [line for line in log.read_text().splitlines() if line.startswith("ALERT ")]
