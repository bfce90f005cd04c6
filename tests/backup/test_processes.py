"""The service as a process: killed in the middle of a copy, and fed with more than it may hold in memory."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from joelclaw_backup import provider
from tests.support.server import Server

pytestmark = pytest.mark.slow
FUNCTION = "system/backup.redis"
BIG = 64 * 1024 * 1024


def until(what: Callable[[], Any], seconds: float = 40.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.001)
    raise AssertionError("it never came to that")


@pytest.fixture
def heavy(source: Server) -> Server:
    with source.client() as client:
        client.config_set("rdbcompression", "no")
        for n in range(4):
            client.set(f"big-{n}", os.urandom(BIG // 4))
    return source


@pytest.fixture
def start(heavy: Server, one_server: Server, environ, tmp_path: Path, nas: Path) -> Iterator[Callable[[], Any]]:
    there = {"backup": {"destination": {"path": str(nas)}, "redis": {"url": heavy.url}}}
    env = {
        "PATH": os.environ["PATH"],
        "REDIS_URL": one_server.url,
        "JOELCLAW_LEASE_MS": "600",
        **environ(json.dumps(there)),
    }
    running: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            running.append(subprocess.Popen([sys.executable, "-m", "joelclaw_backup"], env=env, stderr=log))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


def ask(server: Server, id: str) -> None:
    with server.client() as client:
        client.execute_command("XADD", "backup/run.requested", "*", "id", id, "data", '{"target": "redis"}')


def run(server: Server, id: str) -> dict[bytes, bytes]:
    with server.client() as client:
        client.response_callbacks.clear()
        flat = client.execute_command("HGETALL", f"{{backup/run.requested}}:run:{FUNCTION}:{id}")
    return dict(zip(flat[::2], flat[1::2], strict=True))


def names(nas: Path) -> list[str]:
    shelf = nas / "backups" / "redis"
    return sorted(p.name for p in shelf.iterdir() if not p.is_symlink()) if shelf.exists() else []


def test_killed_in_the_middle_of_a_copy_it_leaves_a_partial_set_and_the_next_process_completes(
    start, one_server, nas, environ
):
    first = start()
    ask(one_server, "one")

    def in_the_middle() -> bool:
        return any(0 < p.stat().st_size < BIG for p in nas.glob("backups/redis/*.partial/dump.rdb"))

    until(in_the_middle)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    left = names(nas)
    assert [bool(re.search(r"\.partial$", name)) for name in left] == [True]
    there = environ(json.dumps({"backup": {"destination": {"path": str(nas)}}}))
    assert provider.list_artefacts(there) == []
    start()
    record = until(lambda: (r := run(one_server, "one")).get(b"state") == b"ended" and r)
    assert record[b"status"] == b"completed"
    assert names(nas) == [json.loads(record[b"result"])["id"]]
    assert provider.verify(there, "latest")["ok"]
    assert json.loads(record[b"s:take-0"])["manifest"]["files"][0]["size"] > BIG
    assert b"s:take-1" not in record  # what was taken before the kill was used


def test_memory_does_not_grow_with_the_data(start, one_server):
    process = start()

    def peak() -> int:
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())[1]) * 1024

    with one_server.client() as client:
        until(lambda: client.hlen("bus:workers") or client.hlen("{bus}:workers"))
    before = peak()
    ask(one_server, "one")
    record = until(lambda: (r := run(one_server, "one")).get(b"state") == b"ended" and r)
    assert (record[b"status"], json.loads(record[b"result"])["bytes"] > BIG) == (b"completed", True)
    assert peak() - before < BIG / 2
