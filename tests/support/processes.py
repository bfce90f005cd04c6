"""Worker processes and their ledger, for tests that kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio

ROOT = Path(__file__).parents[2]
Line = dict[str, Any]


class Workers:
    """Processes on one store that write one ledger."""

    def __init__(
        self, url: str, ledger: Path, lease_ms: int = 2_000, durability: str = "memory", begins: int = 5
    ) -> None:
        self.url, self.ledger, self.numbers = url, ledger, (str(lease_ms), durability, str(begins))
        self.module = "tests.support.worker_process"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, env: Mapping[str, str] = MappingProxyType({})) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", self.module, self.url, str(self.ledger), *self.numbers]
        with (self.ledger.parent / "workers.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, stderr=log, env={**os.environ, **env})
        self.processes.append(process)
        return process

    def open_the_gate(self) -> None:
        """Those that wait at the gate go on, now and later."""
        self.ledger.with_suffix(".gate").touch()

    def keep(self, count: int) -> None:
        """As a supervisor does: start anew what has ended."""
        for _ in range(count - sum(p.poll() is None for p in self.processes)):
            self.start()

    def lines(self) -> list[Line]:
        text = self.ledger.read_text() if self.ledger.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def where(self, **what: object) -> list[Line]:
        return [line for line in self.lines() if all(line.get(k) == v for k, v in what.items())]

    async def wait(self, count: int = 1, within: float = 90, **what: object) -> list[Line]:
        """Waits until the ledger holds `count` lines like that. The bound only ends a broken test."""
        return await self.until(lambda: self.where(**what), count, within)

    async def until(self, find: Callable[[], list[Line]], count: int, within: float = 90) -> list[Line]:
        with anyio.move_on_after(within):
            while len(found := find()) < count:  # noqa: ASYNC110  other processes append: nothing to await
                await anyio.sleep(0.02)
            return found
        log = (self.ledger.parent / "workers.log").read_text()[-3000:]
        raise AssertionError(f"waited in vain; the ledger:\n{self.ledger.read_text()[-3000:]}\n{log}")

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGCONT)
                process.kill()
            process.wait(10)
