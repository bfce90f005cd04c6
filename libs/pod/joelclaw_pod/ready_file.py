"""The ready file: how `joelclaw up` and tests learn that a service is ready, and where its probes are."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import anyio

from joelclaw_pod.errors import SettingsError
from joelclaw_pod.shell import Gate

LOOK = 0.05  # seconds between looks until the worker is ready


def prepare_ready_file(path: Path | None) -> None:
    """Its directory is there, and an earlier incarnation's file, which would lie, is not. SettingsError."""
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(error) from error


def remove_ready_file(path: Path | None) -> None:
    """Gone, as the service is."""
    if path is not None:
        with suppress(OSError):  # at the end a file that stays is no reason for another exit code
            path.unlink(missing_ok=True)


async def write_ready_file(path: Path | None, gate: Gate, service: str, http: str) -> None:
    """Once the service is ready: {"service", "pid", "http"}, whole or not at all. SettingsError."""
    while path is not None:
        if gate.health().ready:
            whole = json.dumps({"service": service, "pid": os.getpid(), "http": http})
            draft = path.with_name(f"{path.name}.{os.getpid()}.partial")
            try:
                draft.write_text(whole, "utf-8")
                draft.replace(path)
            except OSError as error:
                raise _unusable(error) from error
            return
        await anyio.sleep(LOOK)


def _unusable(error: OSError) -> SettingsError:
    problem = f"can't be written ({error.strerror})"
    return SettingsError("JOELCLAW_READY_FILE", problem, "name a file where this user may write")
