"""The temporary suite: a folder, a configuration and a port of its own, and `joelclaw up` on them as people run it.

Nothing of the user's is read or written: neither ~/.joelclaw nor any variable of the bus. At the end all that was
started is ended and the folder is removed, also after Ctrl-C and after a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from joelclaw_bus.local_port import any_port
from joelclaw_bus.store import Store, StoreSettings, open_store
from joelclaw_cli.demo.processes import Processes
from joelclaw_cli.demo.watch import lines_of
from joelclaw_cli.failures import Failure

RETRY_MS = 5_000
STOPS = 25.0
_THEIRS = ("JOELCLAW_", "SELF_HEALING_", "BACKUP_", "NAS_", "TYPESENSE_", "REDIS_URL", "OTEL_EXPORTER_")


@dataclass(frozen=True)
class Stage:
    """What the acts play on. `destination`: where backups are kept; `starts`: one line per start of the runtime."""

    folder: Path
    redis_url: str
    runtime_port: int
    store: Store
    processes: Processes

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def destination(self) -> Path:
        return self.folder / "nas"

    @property
    def starts(self) -> list[int]:
        return [line["pid"] for line in lines_of(self.folder / "runtime.starts")]


@asynccontextmanager
async def open_stage(*, keep: bool) -> AsyncIterator[Stage]:
    """A running suite. Failure `demo_not_started`, with its last words."""
    folder = _folder()
    processes = Processes(_environment(folder), folder / "suite.log")
    try:
        port = _prepare(folder)
        suite = processes.start(
            "joelclaw_cli", "up", "--state-dir", str(folder / "state"), "--port", "0",
            "--ready-file", str(folder / "ready.json"),
        )  # fmt: skip
        url = await _ready(suite, folder, processes)
        async with open_store(StoreSettings(url)) as store:
            yield Stage(folder, url, port, store, processes)
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(_clear, processes, folder, keep)


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="joelclaw-demo-")).resolve()


def _environment(folder: Path) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(_THEIRS)}
    return {**own, "JOELCLAW_CONFIG": str(folder / "config.json"), "JOELCLAW_STATE_DIR": str(folder / "state")}


def _prepare(folder: Path) -> int:
    """The destination and the configuration; the runtime's port."""
    port = any_port()
    (folder / "nas").mkdir()
    (folder / "config.json").write_text(json.dumps(configuration(folder, port), indent=2))
    return port


def configuration(folder: Path, port: int) -> dict[str, Any]:
    """The ordinary rules with shorter times. No schedule falls into the demo."""
    command = [sys.executable, "-m", "joelclaw_cli.demo.runtime", str(port), str(folder / "runtime.starts")]
    runtime = "system/self-healing.inngest-runtime"
    never = dict.fromkeys((runtime, "system/self-healing.investigator", "system/backup.redis"), "0 0 1 1 *")
    return {
        "backup": {"destination": {"kind": "directory", "path": str(folder / "nas")}},
        "backupFailureRouter": {"sleepMinMs": RETRY_MS, "sleepMaxMs": RETRY_MS, "sleepStepMs": 1},
        "health": {"confirmations": 2, "recheckMs": 3_600_000},  # who reports a broken runtime here is the demo alone
        "budgets": {"stabilityMs": 1500, "stabilityPasses": 3},
        "runtime": {
            "command": command,
            "url": f"http://127.0.0.1:{port}/",
            "probeTimeoutMs": 1000,
            "confirmEveryMs": 700,
            "settleMs": 300,
            "startGraceMs": 15_000,
            "stopMs": 3000,
        },
        "schedules": never,
    }


async def _ready(suite: subprocess.Popen[bytes], folder: Path, processes: Processes) -> str:
    while suite.poll() is None:
        with suppress(OSError, ValueError):
            return str(json.loads((folder / "ready.json").read_text())["redis_url"])
        await anyio.sleep(0.05)
    words = processes.last_words()
    raise Failure("demo_not_started", f"the temporary suite did not start: {words}", fix="joelclaw up says more")


def _clear(processes: Processes, folder: Path, keep: bool) -> None:
    """The suite in order, so that store and services go with it; then whatever is left; then the folder. Blocking."""
    try:
        for suite in processes.running[:1]:
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                suite.send_signal(signal.SIGINT)
                suite.wait(STOPS)
        processes.end()
        processes.joelclaw_now("down", "--state-dir", str(folder / "state"))  # what a killed suite would leave
    finally:
        _end_runtime(folder)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _end_runtime(folder: Path) -> None:
    """The supervised runtime outlives its remediator by design; the demo's must not outlive the demo."""
    for pid in {line["pid"] for line in lines_of(folder / "runtime.starts")}:
        with suppress(OSError):
            if str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():  # a number may be somebody else's now
                os.kill(pid, signal.SIGKILL)
