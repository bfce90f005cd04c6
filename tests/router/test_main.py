"""The router as a process: what stops its start, and what SIGKILL at any moment can't do."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.router.conftest import BACKUP, HEALING
from tests.support.server import Server

CONFIG: dict[str, Any] = {
    "budgets": {"stormTargets": 0, "allRetriesPerHour": 10000},
    "selfHealing": {"router": {"sleepMinMs": 40, "sleepMaxMs": 80, "sleepStepMs": 40}},
}


class Router:
    """One process at a time, on this server and with this configuration."""

    def __init__(self, url: str, folder: Path, config: Any) -> None:
        file = folder / "config.json"
        file.write_text(config if isinstance(config, str) else json.dumps(config))
        self.ready = folder / "ready.json"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "REDIS_URL": url,
            "JOELCLAW_CONFIG": str(file),
            "JOELCLAW_LEASE_MS": "500",
            "JOELCLAW_READY_FILE": str(self.ready),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "joelclaw_router"]
        self.process = subprocess.Popen(command, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_ready(self) -> None:
        hoped(lambda: self.ready.exists(), "ready")

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(10)
        self.ready.unlink(missing_ok=True)

    def stop(self) -> None:
        """However the test ended: no router outlives it."""
        if self.process and self.process.poll() is None:
            self.kill()

    def run(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "joelclaw_router"]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=90, check=False)


def hoped(condition: Any, what: str, seconds: float = 60) -> None:
    """The deadline only bounds a broken test."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not {what} in time"
        time.sleep(0.02)


def read(client: redis.Redis, stream: str) -> list[dict[str, Any]]:
    rows: Any = client.xrange(stream)
    return [json.loads(fields[b"data"]) for _, fields in rows]


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"selfHealing": {"router": {"maxRetrys": 3}}}, "maxRetries"),
        ({"selfHealing": {"router": {"sleepMinMs": 9_000, "sleepMaxMs": 8_000}}}, "sleepMinMs"),
        ({"selfHealing": {"router": {"model": "llama"}}}, "anthropic/claude-opus-4-6"),
        ("{", "config.json"),
    ],
)
def test_a_bad_configuration_stops_the_start_with_one_line(tmp_path: Path, config: Any, named: str) -> None:
    done = Router("redis://127.0.0.1:1/0", tmp_path, config).run()
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture
def router(own_server: Server, tmp_path: Path) -> Iterator[Router]:
    made = Router(own_server.url, tmp_path, CONFIG)
    yield made
    made.stop()


KILLS = int(os.environ.get("ROUTER_KILLS", "6"))
"""`make router-kills`: 100."""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_again_and_again_it_answers_each_request_once_and_routes_each_retry_once(
    own_server: Server, router: Router
) -> None:
    """SIGKILL at random moments, while requests come in, wait, and are handed over; no two for the same target. Every
    decision stands in its incident's timeline once, and was told once."""
    seed = int(os.environ.get("ROUTER_SEED", "7"))
    dice = random.Random(seed)
    requests = 0
    with own_server.client() as client:
        router.start()
        router.wait_ready()
        for kill in range(KILLS):
            for _ in range(6):
                payload = json.dumps({**HEALING, "targetComponent": f"t{requests}"})
                client.xadd("system/self.healing.requested", {"data": payload})
                requests += 1
            if kill % 4 == 0:
                client.xadd("system/backup.failure.detected", {"data": json.dumps(BACKUP)})
            time.sleep(dice.uniform(0.0, 0.25))
            router.kill()
            router.start()
            router.wait_ready()

        def all_done() -> bool:
            return len(read(client, "system/health.check.requested")) >= requests

        patience = 60 + 5 * KILLS  # what was left undone by so many deaths is done one after the other
        hoped(all_done, "routed", patience)
        open_runs = "{system/self.healing.requested}:open"
        hoped(lambda: not client.zcard(open_runs) and not client.zcard("{healing/incidents}:outbox"), "quiet", patience)
        router.kill()
        answers = read(client, "system/self.healing.completed")
        routed = read(client, "system/health.check.requested")
        told = read(client, "otel/event")
        audits = [client.lrange(key, 0, -1) for key in client.scan_iter("{healing/incidents}:audit:*", 1000)]
    of_healing = [a for a in answers if a["domain"] != "backup"]
    assert Counter(a["targetComponent"] for a in of_healing) == {f"t{n}": 1 for n in range(requests)}
    assert Counter(r["targetComponent"] for r in routed) == {f"t{n}": 1 for n in range(requests)}
    assert {r["attempt"] for r in routed} == {1}
    decided = Counter(t["metadata"]["target"] for t in told if t["metadata"].get("rule") == "retry-within-budget")
    assert {f"t{n}": decided[f"t{n}"] for n in range(requests)} == {f"t{n}": 1 for n in range(requests)}
    moves = Counter(json.loads(line)["move"] for audit in audits for line in audit)
    assert set(moves.values()) == {1}, "no decision is doubled"
    assert [a["status"] for a in answers if a["domain"] == "backup"][:1] == ["scheduled"]
