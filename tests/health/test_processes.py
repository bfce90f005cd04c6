"""The real service as a process: what people hear, once, through kills and restarts; a wedged worker is seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import anyio
import pytest

from joelclaw_bus import Publisher, Store, StoreSettings, open_store
from joelclaw_contracts import Audit, HealthCheckRequested, SendMessage
from tests.health.conftest import checks
from tests.support.server import Server
from tests.support.waiting import until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
QUICK = {"confirmations": 2, "closings": 1, "recheckMs": 50, "startGraceMs": 0, "silentMs": 1000, "probeTimeoutMs": 500}


class Services:
    """Real services on one store, their lines in one file each."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder, self.processes = folder, list[subprocess.Popen[bytes]]()
        config = folder / "config.json"
        # A destination is asked in a child, which takes longer to start than these probes may.
        config.write_text(json.dumps({"health": QUICK | {"retired": ["destination/local"]}}))
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("JOELCLAW_")}
        self.env = inherited | {"REDIS_URL": url, "JOELCLAW_CONFIG": str(config), "JOELCLAW_LEASE_MS": "600"}
        self.env |= {"HOME": str(folder), "JOELCLAW_STATE_DIR": str(folder)}

    def start(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "lines.txt").open("ab") as lines:
            command = [sys.executable, "-m", module, *words]
            process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=lines, stderr=lines)
        self.processes.append(process)
        return process

    def lines(self) -> str:
        path = self.folder / "lines.txt"
        return path.read_text() if path.exists() else ""

    def alerts(self, word: str = "") -> list[str]:
        return [line for line in self.lines().splitlines() if line.startswith("ALERT ") and word in line]

    async def until(self, true: Callable[[], bool]) -> None:
        """The bound only ends a broken test."""
        with anyio.move_on_after(40):
            while not true():  # noqa: ASYNC110  other processes write
                await anyio.sleep(0.02)
            return
        raise AssertionError(f"waited in vain; the lines:\n{self.lines()[-4000:]}")

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(10)


@pytest.fixture
def services(one_server: Server, tmp_path: Path) -> Iterator[Services]:
    started = Services(one_server.url, tmp_path)
    yield started
    started.stop()


@pytest.fixture
async def store(one_server: Server) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(one_server.url)) as opened:
        yield opened


async def check_until(store: Store, services: Services, key: str, state: str) -> None:
    """Ask for rounds until the verdict is that."""
    asked = 0
    with anyio.move_on_after(40):
        while (now := (await checks(store)).get(key)) is None or now.state != state:
            await Publisher(store).send(HealthCheckRequested(), id=f"{key}:{state}:{asked}")
            asked += 1
            await anyio.sleep(0.3)
        return
    raise AssertionError(f"{key} did not become {state}: {now}\n{services.lines()[-4000:]}")


async def test_a_wedged_worker_is_seen_by_the_age_of_its_heartbeat_told_once_and_resolved_once(
    services: Services, store: Store
) -> None:
    services.start("joelclaw_health")
    router = services.start("joelclaw_router")
    await check_until(store, services, "router heartbeat", "ok")
    await check_until(store, services, "router http", "ok")
    router.send_signal(signal.SIGSTOP)  # it is there, its port is open, and it does nothing
    await check_until(store, services, "router heartbeat", "failing")
    await services.until(lambda: bool(services.alerts("opened router/heartbeat")))
    assert "s old" in services.alerts("opened router/heartbeat")[0]
    assert (await checks(store))["router http"].latest == "unknown", "a time-out is no failure"
    router.kill()
    services.start("joelclaw_router")  # as a supervisor would
    await check_until(store, services, "router heartbeat", "ok")
    await services.until(lambda: bool(services.alerts("resolved router/heartbeat")))
    assert len(services.alerts("opened router/heartbeat")) == 1
    assert len(services.alerts("resolved router/heartbeat")) == 1


async def test_an_alert_whose_sender_dies_between_mark_and_send_arrives_exactly_once(
    services: Services, store: Store, tmp_path: Path
) -> None:
    gone = json.dumps({"functions": ["gone/work"], "service": "gone"})
    await store.call("HSET", store.keys.services, "gone", gone)  # registered once, and nobody serves it
    mark = tmp_path / "mark"
    first = services.start("tests.support.dying_health", str(mark))
    await Publisher(store).send(HealthCheckRequested(), id="first")
    await services.until(lambda: first.poll() is not None)
    assert mark.exists()
    assert services.alerts() == [], "it was marked, and not sent"
    assert (await checks(store))["gone heartbeat"].told
    services.start("tests.support.dying_health", str(mark))
    await services.until(lambda: bool(services.alerts("opened gone/heartbeat")))
    for number in range(3):
        before = (await checks(store))["gone heartbeat"].checked_ms
        await Publisher(store).send(HealthCheckRequested(), id=f"again-{number}")
        with anyio.fail_after(30):
            while (await checks(store))["gone heartbeat"].checked_ms == before:  # noqa: ASYNC110  its process writes
                await anyio.sleep(0.02)
    assert len(services.alerts("opened gone/heartbeat")) == 1
    assert await store.call("XLEN", "gateway/send.message") == 1


async def test_a_message_is_delivered_once_however_often_it_is_sent(services: Services, store: Store) -> None:
    services.start("joelclaw_health")
    message = SendMessage(channel="ops", text="the disk\nis full", audit=Audit(producer="tests"))
    for _ in range(3):
        await Publisher(store).send(message, id="incident-1:opened:1")
    # A stranger's client dedupes nothing: the same id twice on the stream is one run all the same.
    await store.call("XADD", "gateway/send.message", "*", "id", "incident-1:opened:1", "data", message.to_json())
    other = SendMessage(channel="ops", text="the last one", audit=Audit(producer="tests"))
    await Publisher(store).send(other, id="incident-2:opened:1")
    await services.until(lambda: bool(services.alerts("the last one") and services.alerts("is full")))

    async def ended() -> bool:
        (group,) = await store.call("XINFO", "GROUPS", "gateway/send.message")
        told = dict(zip(group[::2], group[1::2], strict=True))
        return told[b"pending"] == told[b"lag"] == 0

    await until(ended)
    assert services.alerts("is full") == ["ALERT message ops service=health: the disk is full"]
    assert "the disk is full" in (services.folder / "alerts.log").read_text()


async def test_the_service_asks_for_a_round_by_itself_after_its_start(services: Services, store: Store) -> None:
    services.start("joelclaw_health")
    with anyio.fail_after(40):
        while "health heartbeat" not in await checks(store):  # noqa: ASYNC110  its process writes
            await anyio.sleep(0.05)
    assert (await checks(store))["health heartbeat"].state == "ok"
