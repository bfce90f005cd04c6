"""The loop closed, with real processes: a destination goes, the backup fails, heals itself, and proves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT
from tests.support.server import Server

pytestmark = pytest.mark.slow

DETECTED = "system/backup.failure.detected"
RETRY = "system/backup.retry.requested"
ANSWER = "system/self.healing.completed"
ALERT = "gateway/send.message"
QUICK = {
    "BACKUP_ROUTER_SLEEP_MIN_MS": "500",
    "BACKUP_ROUTER_SLEEP_MAX_MS": "500",
    "BACKUP_ROUTER_SLEEP_STEP_MS": "1",
    "BACKUP_ROUTER_MAX_RETRIES": "3",
    "JOELCLAW_LEASE_MS": "1000",
}


class Suite:
    """A store, the router and the backups on it, as processes; a destination that can go."""

    def __init__(self, server: Server, home: Path) -> None:
        self.server, self.home, self.nas, self.away = server, home, home / "nas", home / "away"
        self.nas.mkdir()
        config = {"backup": {"destination": {"kind": "directory", "path": str(self.nas)}}}
        (home / "config.json").write_text(json.dumps(config))
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "REDIS_URL": server.url,
            "JOELCLAW_CONFIG": str(home / "config.json"),
            "JOELCLAW_STATE_DIR": str(home / "state"),
            **QUICK,
        }
        self.processes = [self.start("joelclaw_router"), self.start("joelclaw_backup")]

    def start(self, module: str) -> subprocess.Popen[bytes]:
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=self.environ, stdout=log, stderr=log)

    def ask(self) -> None:
        with self.server.client() as client:
            client.execute_command("XADD", "backup/run.requested", "*", "data", '{"target": "redis"}')

    def read(self, stream: str) -> list[dict[str, Any]]:
        with self.server.client() as client:
            client.response_callbacks.clear()
            rows = client.execute_command("XRANGE", stream, "-", "+")
        return [json.loads(dict(zip(f[::2], f[1::2], strict=True))[b"data"]) for _, f in rows]

    def until(self, what: Callable[[], Any]) -> Any:
        end = time.monotonic() + 90
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.02)
        raise AssertionError((self.home / "log").read_text()[-3000:])

    def answers(self, status: str) -> list[dict[str, Any]]:
        return [a for a in self.read(ANSWER) if a["status"] == status]

    def sets(self) -> list[Path]:
        return [p for p in self.nas.glob("backups/redis/*") if not p.is_symlink()]


@pytest.fixture
def suite(one_server: Server, tmp_path: Path) -> Iterator[Suite]:
    with one_server.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    running = Suite(one_server, tmp_path)
    yield running
    for process in running.processes:
        process.kill()
        process.wait()


def test_a_destination_that_comes_back_ends_in_a_verified_copy_and_a_closed_incident(suite: Suite) -> None:
    suite.nas.rename(suite.away)
    suite.ask()
    (scheduled, *_) = suite.until(lambda: suite.answers("scheduled"))
    suite.until(lambda: suite.read(RETRY))
    suite.away.rename(suite.nas)
    (closed,) = suite.until(lambda: suite.answers("remediated"))
    assert closed["incidentId"] == scheduled["incidentId"]
    failures = suite.read(DETECTED)
    assert [f["attempt"] for f in failures] == list(range(len(failures)))
    (kept,) = suite.sets()
    assert {p.name for p in kept.iterdir()} == {"dump.rdb", "manifest.json", "users.acl", "verified.json"}
    assert json.loads((kept / "manifest.json").read_text())["requestedBy"] == f"incident {closed['incidentId']}"


def test_a_destination_that_stays_away_ends_with_a_person(suite: Suite) -> None:
    suite.nas.rename(suite.away)
    suite.ask()
    (exhausted,) = suite.until(lambda: suite.answers("exhausted"))
    suite.until(lambda: suite.read(ALERT))
    assert [f["attempt"] for f in suite.read(DETECTED)] == [0, 1, 2, 3]
    assert exhausted["targetComponent"] == "redis"
    assert len(suite.read(ALERT)) == 1


def test_a_mount_that_nobody_named_stops_the_start(suite: Suite) -> None:
    (suite.home / "config.json").write_text('{"backup": {"destination": {"kind": "mount"}}}')
    command = [sys.executable, "-m", "joelclaw_backup"]
    done = subprocess.run(command, cwd=ROOT, env=suite.environ, capture_output=True, text=True, timeout=90)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "backup: backup.destination.path is not set, and no NAS is configured; name the mount point"
    ]
