"""The demo's own processes: each in a session of its own, so that Ctrl-C reaches the demo alone, which ends them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import to_thread

ENDS = 30.0


@dataclass
class Processes:
    """Started with `environ`; what they say goes to `log`."""

    environ: Mapping[str, str]
    log: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return self._start(module, words, stdout=log, stderr=log)

    def last_words(self) -> str:
        """The end of the log, on one line."""
        return " ".join(self.log.read_text("utf-8", "replace").split())[-600:]

    async def joelclaw(self, *words: str) -> tuple[int, dict[str, Any]]:
        """A command as people type it: its exit code, its envelope."""
        return await to_thread.run_sync(self.joelclaw_now, *words, abandon_on_cancel=True)

    def joelclaw_now(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The same, blocking."""
        command = self._start("joelclaw_cli", (*words, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = command.communicate(timeout=ENDS)
        try:
            return command.returncode, json.loads(out)
        except ValueError:
            return command.returncode, {"error": {"code": "", "message": err.decode("utf-8", "replace")[-500:]}}

    def _start(self, module: str, words: tuple[str, ...], **streams: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            env=dict(self.environ),
            cwd=self.log.parent,  # nothing of the caller's directory can get in between
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **streams,
        )
        self.running.append(process)
        return process

    def end(self) -> None:
        """All that still run: killed. The suite was asked to stop before."""
        for process in self.running:
            with suppress(ProcessLookupError):
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
