"""The ready file: how `joelclaw up` and tests learn that a service is ready, and where its probes are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import anyio

from joelclaw_pod.errors import SettingsError
from joelclaw_pod.shell import Gate

LOOK = 0.05  # seconds between looks until the worker is ready


def remove_ready_file(path: Path | None) -> None:
    """Gone, so that nobody takes an earlier incarnation's file for this one's."""
    if path is not None:
        path.unlink(missing_ok=True)


async def write_ready_file(path: Path | None, gate: Gate, service: str, http: str) -> None:
    """Once the service is ready: {"service", "pid", "http"}, whole or not at all. SettingsError."""
    while path is not None:
        if gate.health().ready:
            whole = json.dumps({"service": service, "pid": os.getpid(), "http": http})
            draft = path.with_name(f"{path.name}.{os.getpid()}.partial")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                draft.write_text(whole, "utf-8")
                draft.replace(path)
            except OSError as error:
                problem, remedy = f"can't be written ({error.strerror})", "name a file where this user may write"
                raise SettingsError("JOELCLAW_READY_FILE", problem, remedy) from error
            return
        await anyio.sleep(LOOK)
