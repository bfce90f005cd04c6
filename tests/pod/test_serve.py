"""Real processes on a real server: start, probes, stop, and every way not to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from tests.pod.conftest import Server, eventually
from tests.support.server import free_port

from joelclaw_bus.publisher import Publisher
from joelclaw_bus.store import StoreSettings, open_store
from joelclaw_contracts import HealthCheckRequested

PROGRAM = Path(__file__).with_name("fake_service.py")
DEADLINE = 60.0
"""Only bounds a broken test; the grace that a second signal cuts short is longer."""


class Service:
    """One child process and what it says."""

    def __init__(self, directory: Path, mode: str = "work", **environ: str) -> None:
        self.ready_file = directory / "run" / "fake.ready"
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("JOELCLAW_", "REDIS_URL", "OTEL_"))}
        environ = {"JOELCLAW_READY_FILE": str(self.ready_file), "JOELCLAW_GRACE_MS": "300", **environ}
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), mode], env=clean | environ, stderr=subprocess.PIPE, text=True
        )

    def until(self, what: Callable[[], object]) -> Any:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                if found := what():
                    return found
            except (OSError, httpx.TransportError, json.JSONDecodeError):
                pass
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.process.communicate()[1]}")
            time.sleep(0.02)
        raise AssertionError("it never came to that")

    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = self.until(lambda: json.loads(self.ready_file.read_text()))
        return found

    def ended(self) -> tuple[int, list[str]]:
        """(exit code, lines of stderr)."""
        _, said = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, said.splitlines()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    services: list[Service] = []

    def begin(mode: str = "work", **environ: str) -> Service:
        services.append(Service(tmp_path, mode, **environ))
        return services[-1]

    yield begin
    for service in services:
        service.kill()


Start = Callable[..., Service]


def test_it_starts_answers_its_probes_and_stops_with_0(start: Start, server: Server) -> None:
    service = start(REDIS_URL=server.url)
    ready = service.ready()
    assert (ready["service"], ready["pid"]) == ("fake", service.process.pid)
    assert httpx.get(ready["http"] + "/live").status_code == 200
    assert httpx.get(ready["http"] + "/ready").json()["ok"] is True
    metrics = httpx.get(ready["http"] + "/metrics").text
    assert 'joelclaw_runs_ended_total{function="fake",status="failed"} 1.0' in metrics
    assert "joelclaw_in_flight 1.0" in metrics
    service.process.send_signal(signal.SIGTERM)
    code, lines = service.ended()
    assert code == 0
    assert [json.loads(line)["level"] for line in lines] == ["info"] * len(lines)
    assert not service.ready_file.exists()


async def test_what_happened_is_on_the_evidence_stream(start: Start, server: Server) -> None:
    service = start(REDIS_URL=server.url, JOELCLAW_PREFIX="p:", JOELCLAW_SYSTEM_ID="here")
    service.ready()
    service.process.send_signal(signal.SIGINT)
    assert service.ended()[0] == 0
    async with open_store(StoreSettings(server.url)) as store:
        entries = await store.call("XRANGE", "p:otel/event", "-", "+")
    records = [json.loads(fields[1]) for _, fields in entries]
    assert [r["action"] for r in records] == ["service.started", "bus.run.failed", "service.stopped"]
    assert {r["systemId"] for r in records} == {"here"}
    assert {r["source"] for r in records} == {"fake"}


async def test_a_store_that_may_lose_what_it_took_is_said(start: Start, server: Server) -> None:
    async with open_store(StoreSettings(server.url)) as store:
        await store.call("CONFIG", "SET", "appendonly", "no")
        await store.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        service = start(REDIS_URL=server.url)
        service.ready()
        service.process.send_signal(signal.SIGTERM)
        code, lines = service.ended()
        entries = await store.call("XRANGE", "otel/event", "-", "+")
    records = [json.loads(fields[1]) for _, fields in entries]
    told = [r["error"] for r in records if r["action"] == "store.unfit"]
    assert code == 0
    for what in ("append-only file is off", "maxmemory-policy is allkeys-lru"):
        assert [line for line in lines if what in line], "no line"
        assert [text for text in told if what in text], "no evidence"


def test_a_store_that_is_away_is_red_and_said_and_turns_green(start: Start, absent_server: Server) -> None:
    port = free_port()
    http = f"http://127.0.0.1:{port}"
    service = start(REDIS_URL=absent_server.url, JOELCLAW_HTTP_PORT=str(port))

    def told() -> Any:
        red = httpx.get(http + "/ready")
        return red if red.status_code == 503 and red.json()["reasons"] != ["starting"] else None

    red = service.until(told)
    assert "does not answer" in red.json()["reasons"][0]
    assert httpx.get(http + "/live").status_code == 200
    assert not service.ready_file.exists()
    absent_server.start()
    service.until(lambda: httpx.get(http + "/ready").status_code == 200)
    service.ready()
    service.process.send_signal(signal.SIGTERM)
    code, lines = service.ended()
    assert code == 0
    assert len([line for line in lines if "waiting for the store" in line]) == 1
    assert not [line for line in lines if line.startswith("ALERT ")]


@pytest.mark.slow
def test_a_store_that_stays_away_alerts_without_it_and_a_stop_still_works(
    start: Start, absent_server: Server, tmp_path: Path
) -> None:
    service = start(REDIS_URL=absent_server.url, JOELCLAW_STATE_DIR=str(tmp_path))
    service.until(lambda: "ALERT opened store/unavailable service=fake" in (tmp_path / "alerts.log").read_text())
    service.process.send_signal(signal.SIGTERM)
    code, lines = service.ended()
    assert code == 0
    assert len([line for line in lines if line.startswith("ALERT opened ")]) == 1


def test_a_missing_store_setting_is_one_line_and_2(start: Start) -> None:
    code, lines = start().ended()
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith("fake: REDIS_URL is not set; ")


def test_a_misspelt_setting_is_one_line_and_2(start: Start, server: Server) -> None:
    code, lines = start(REDIS_URL=server.url, JOELCLAW_LEASE="5").ended()
    assert (code, len(lines)) == (2, 1)
    assert "did you mean JOELCLAW_LEASE_MS?" in lines[0]


def test_a_wrong_declaration_is_one_line_and_2_even_without_a_store(start: Start, absent_server: Server) -> None:
    code, lines = start("misbuilt", REDIS_URL=absent_server.url).ended()
    assert (code, lines) == (2, ["fake: function fake: no trigger; at all"])


def test_a_wrong_configuration_is_one_line_and_2(start: Start, server: Server, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"selfHealing": {"router": {"maxRetry": 3, "sleepMinMs": "soon"}}}')
    code, lines = start(REDIS_URL=server.url, JOELCLAW_CONFIG=str(file)).ended()
    assert (code, len(lines)) == (2, 1)
    assert "maxRetries" in lines[0]
    assert "sleepMinMs" in lines[0]


def test_a_taken_port_is_one_line_and_2(start: Start, server: Server) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = start(REDIS_URL=server.url, JOELCLAW_HTTP_PORT=str(port))
        code, lines = service.ended()
    assert (code, len(lines)) == (2, 1)
    assert f"port {port}: it is in use" in lines[0]
    assert not service.ready_file.exists()


def test_a_ready_file_that_cannot_be_written_is_2(start: Start, server: Server) -> None:
    code, lines = start(REDIS_URL=server.url, JOELCLAW_READY_FILE="/dev/null/x").ended()
    assert code == 2
    assert "JOELCLAW_READY_FILE can't be written" in lines[-1]


def test_a_worker_that_ends_by_itself_is_1(start: Start, server: Server) -> None:
    code, lines = start("ends", REDIS_URL=server.url).ended()
    assert code == 1
    assert "ended though nobody asked" in json.loads(lines[-1])["msg"]


def test_a_bug_is_one_line_with_its_traceback_inside_and_1(start: Start, server: Server) -> None:
    code, lines = start("breaks", REDIS_URL=server.url).ended()
    assert code == 1
    last = json.loads(lines[-1])
    assert last["level"] == "fatal"
    assert "Traceback" in last["exc"]
    assert "hunter2" not in lines[-1]


def test_it_carries_the_worker_of_the_bus_through_a_loss_of_the_store(start: Start, server: Server) -> None:
    service = start("real", REDIS_URL=server.url, JOELCLAW_LEASE_MS="2000")
    http = service.ready()["http"]
    anyio.run(publish, server)
    ended = 'joelclaw_runs_ended_total{function="fake/handle",status="completed"} '
    service.until(lambda: ended + "1.0" in httpx.get(http + "/metrics").text)
    server.stop()
    service.until(lambda: httpx.get(http + "/ready").status_code == 503)
    assert httpx.get(http + "/live").status_code == 200
    server.start()
    service.until(lambda: httpx.get(http + "/ready").status_code == 200)
    anyio.run(publish, server)
    service.until(lambda: ended + "2.0" in httpx.get(http + "/metrics").text)
    service.process.send_signal(signal.SIGTERM)
    assert service.ended()[0] == 0


def test_a_store_that_is_flushed_under_it_pages_by_the_path_that_needs_no_store(
    start: Start, server: Server, tmp_path: Path
) -> None:
    service = start("real", REDIS_URL=server.url, JOELCLAW_STATE_DIR=str(tmp_path), JOELCLAW_LEASE_MS="2000")
    service.ready()
    anyio.run(flush, server)
    alerts = tmp_path / "alerts.log"
    service.until(lambda: alerts.exists() and "ALERT opened store/data-lost service=fake" in alerts.read_text())
    assert "system/health.check.requested" in alerts.read_text()
    service.process.send_signal(signal.SIGTERM)
    code, lines = service.ended()
    assert code == 0
    assert len([line for line in lines if line.startswith("ALERT opened store/data-lost")]) == 1


async def flush(server: Server) -> None:
    """Once its groups are there, all that the store holds goes."""
    async with open_store(StoreSettings(server.url)) as store:

        async def reads() -> bool:
            return bool(await store.call("HLEN", store.keys.workers))

        await eventually(reads)
        await store.call("FLUSHALL")


async def publish(server: Server) -> None:
    async with open_store(StoreSettings(server.url)) as store:
        await Publisher(store, source="test").send(HealthCheckRequested.from_wire({"mode": "core"}))


def test_while_stopping_it_lives_but_is_not_ready(start: Start, server: Server) -> None:
    service = start("slow-stop", REDIS_URL=server.url, JOELCLAW_GRACE_MS="1500")
    http = service.ready()["http"]
    service.process.send_signal(signal.SIGTERM)
    service.until(lambda: httpx.get(http + "/ready").json()["reasons"] == ["stopping"])
    assert httpx.get(http + "/live").status_code == 200
    assert service.ended()[0] == 0


def test_a_worker_that_ignores_the_stop_is_cut_off_with_1(start: Start, server: Server) -> None:
    service = start("stuck", REDIS_URL=server.url)
    service.ready()
    service.process.send_signal(signal.SIGTERM)
    code, lines = service.ended()
    assert code == 1
    assert "did not stop within" in json.loads(lines[-1])["msg"]


def test_what_even_a_cancellation_cannot_end_is_ended_with_1_and_a_stack(start: Start, server: Server) -> None:
    service = start("shielded", REDIS_URL=server.url)
    service.ready()
    service.process.send_signal(signal.SIGTERM)
    code, lines = service.ended()
    assert code == 1
    assert any("Current thread" in line or "Thread 0x" in line for line in lines)


def test_a_second_signal_ends_it_at_once(start: Start, server: Server) -> None:
    service = start("stuck", REDIS_URL=server.url, JOELCLAW_GRACE_MS="600000")
    http = service.ready()["http"]
    service.process.send_signal(signal.SIGTERM)
    service.until(lambda: httpx.get(http + "/ready").status_code == 503)
    service.process.send_signal(signal.SIGTERM)
    assert service.ended()[0] == 128 + signal.SIGTERM, "it did not wait for its grace"
