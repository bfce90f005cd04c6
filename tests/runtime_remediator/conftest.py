"""A real runtime, and the remediator over it: in this process, or as processes to kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from joelclaw_bus import Store, StoreSettings, Worker, WorkerSettings, open_store
from joelclaw_contracts import Config, EventModel, RuntimeHealthRequested
from joelclaw_contracts.config import Budgets, Health, Runtime, Schedules
from joelclaw_healing import Voice
from joelclaw_runtime_remediator.process import read_identity, session_of
from joelclaw_runtime_remediator.service import worker_of
from joelclaw_runtime_remediator.supervise import Supervisor
from tests.support.server import Server, free_port

ROOT = Path(__file__).parents[2]
QUICK = WorkerSettings(lease_ms=1_000, block=0.3, fallback_ms=200, chores=0.3)
NEVER = dict.fromkeys(("system/self-healing.inngest-runtime", "system/self-healing.investigator"), "0 0 1 1 *")
BUDGETS: dict[str, Any] = {"cool_down_ms": 60_000, "hold_ms": 60_000, "stability_ms": 200, "stability_passes": 3}
TIMES: dict[str, Any] = {
    "probe_timeout_ms": 2_000,
    "confirm_every_ms": 50,
    "settle_ms": 20,
    "start_grace_ms": 10_000,
    "stop_ms": 2_000,
}


class Runtime_:
    """The runtime's files, its supervisor, and what it noted."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.journal, self.state_file = folder / "journal", folder / "runtime.json"

    def command(self, slow: float = 0, behaviour: str = "ok") -> tuple[str, ...]:
        script = str(Path(__file__).parent / "runtime.py")
        return (sys.executable, script, str(self.port), str(self.journal), str(slow), behaviour)

    def supervisor(self, **how: Any) -> Supervisor:
        return Supervisor(self.command(**how), self.state_file, self.folder / "runtime.log", 2.0, dict(os.environ))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ready"

    @property
    def pid(self) -> int:
        return read_identity(self.state_file).pid

    def behave(self, how: str) -> None:
        Path(f"{self.journal}.be").write_text(how)

    def noted(self, what: str) -> list[int]:
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [int(line.split()[1]) for line in lines if line.startswith(what)]

    @property
    def starts(self) -> int:
        return len(self.noted("start"))

    def start(self, **how: Any) -> int:
        """As an earlier act did, long ago; its pid, once it answers."""
        pid = self.supervisor(**how).restart(1).identity.pid
        self.age()
        hoped(self.answers, "the runtime answers")
        return pid

    def age(self) -> None:
        """Makes the file say that it was started an hour ago."""
        raw = json.loads(self.state_file.read_text())
        self.state_file.write_text(json.dumps({**raw, "startedMs": raw["startedMs"] - 3_600_000}))

    def answers(self) -> bool:
        import socket

        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def config(self, *, slow: float = 0, behaviour: str = "ok", **changes: Any) -> Config:
        runtime = Runtime(
            command=self.command(slow, behaviour),
            url=self.url,
            state_file=str(self.state_file),
            **{**TIMES, **{k: v for k, v in changes.items() if k in TIMES}},
        )
        budgets = Budgets(**{**BUDGETS, **{k: v for k, v in changes.items() if k in Budgets.model_fields}})
        health = Health(confirmations=changes.get("confirmations", 3))
        return Config(runtime=runtime, budgets=budgets, health=health, schedules=Schedules(crons=NEVER))

    def config_file(self, **how: Any) -> Path:
        config = self.config(**how)
        wire = {
            name: getattr(config, name).model_dump(by_alias=True, exclude_unset=True, mode="json")
            for name in ("runtime", "budgets", "health")
        }
        file = self.folder / "config.json"
        file.write_text(json.dumps({**wire, "schedules": NEVER}))
        return file

    def end(self) -> None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            for stat in session_of(read_identity(self.state_file)):
                with suppress(ProcessLookupError):
                    os.kill(stat.pid, signal.SIGKILL)
        for pid in self.noted("start"):  # whatever a defect has left behind
            with suppress(ProcessLookupError, FileNotFoundError):
                if str(self.journal) in Path(f"/proc/{pid}/cmdline").read_text():
                    os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError, FileNotFoundError):
                os.waitpid(pid, os.WNOHANG)


def hoped(condition: Callable[[], bool], what: str) -> None:
    """Waits; the bound only ends a broken test."""
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, f"not so in time: {what}"
        time.sleep(0.02)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime_]:
    made = Runtime_(tmp_path)
    yield made
    made.end()


@pytest.fixture
async def store(one_server: Server) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(one_server.url)) as opened:
        yield opened


class Remediators:
    """Workers over one runtime in this process."""

    def __init__(self, store: Store, runtime: Runtime_) -> None:
        self.store, self.runtime = store, runtime

    def worker(self, config: Config, me: str = "r") -> Worker:
        voice = Voice("runtime-remediator", "test", me)
        return worker_of(
            self.store, config, voice, state_file=self.runtime.state_file, environ=dict(os.environ), settings=QUICK
        )

    @asynccontextmanager
    async def working(self, config: Config, count: int = 1) -> AsyncIterator[None]:
        stop = anyio.Event()

        async def run(worker: Worker) -> None:
            await worker.run(stop=stop, grace=5)

        async with anyio.create_task_group() as tasks:
            for n in range(count):
                tasks.start_soon(run, self.worker(config, f"r{n}"))
            try:
                yield
            finally:
                stop.set()

    async def send(self, event: EventModel, id: str) -> None:
        from joelclaw_bus import Publisher

        await Publisher(self.store).send(event, id=id)

    async def events(self, name: str) -> list[dict[str, Any]]:
        rows = await self.store.call("XRANGE", self.store.keys.slot(name).stream, "-", "+")
        return [json.loads(dict(zip(row[1][::2], row[1][1::2], strict=True))[b"data"]) for row in rows]

    async def answer(self, id: str) -> dict[str, Any]:
        """The answer to an event, awaited. The bound only ends a broken test."""
        with anyio.fail_after(40):
            while True:
                found = [e for e in await self.events("system/self.healing.completed") if e.get("eventId") == id]
                if found:
                    return found[0]
                await anyio.sleep(0.03)

    async def send_and_wait(self, id: str, **how: Any) -> dict[str, Any]:
        """A look, answered; by then its worker's heartbeat is there too."""
        await self.send(RuntimeHealthRequested(source_function="tests", **how), id)
        with anyio.fail_after(20):
            while not await self.store.call("HLEN", self.store.keys.workers):  # noqa: ASYNC110  a worker writes it
                await anyio.sleep(0.02)
        return await self.answer(id)

    async def rules(self) -> list[str]:
        """The rules that the guard's evidence names, in order."""
        with anyio.fail_after(20):
            outbox = self.store.keys.slot("healing/incidents").outbox
            while await self.store.call("ZCARD", outbox):  # noqa: ASYNC110  its worker delivers
                await anyio.sleep(0.03)
        told = [e for e in await self.events("otel/event") if e["action"] == "system.self-healing.guard"]
        return [e["metadata"]["rule"] for e in sorted(told, key=lambda e: e["timestamp"])]


@pytest.fixture
def remediators(store: Store, runtime: Runtime_) -> Remediators:
    return Remediators(store, runtime)


class Processes:
    """Remediators as processes of their own; `die_at` names the place at which one kills itself with SIGKILL."""

    def __init__(self, url: str, config: Path, state: Path) -> None:
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("JOELCLAW")},
            "REDIS_URL": url,
            "JOELCLAW_CONFIG": str(config),
            "JOELCLAW_STATE_DIR": str(state),
            "JOELCLAW_LEASE_MS": "1000",
        }
        self.log = state / "remediators.log"
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, die_at: str = "") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.runtime_remediator.process_to_kill", die_at]
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)
        self.started.append(process)
        return process

    def stop(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait(10)
