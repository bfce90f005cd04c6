"""Where backups go: whether it takes a realistic write now, asked in a child that can be killed."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import anyio
from anyio.abc import Process

from joelclaw_health.sample import Sample

CONDITION = "destination"
_LINE = 64 * 1024
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Destination:
    """`mount`: something must be mounted exactly there; `note`: what weakens it, said in coverage."""

    name: str
    kind: Literal["directory", "mount"]
    path: str
    note: str = ""


async def destination(d: Destination, *, now: int, timeout: float, free_mb: int) -> Sample:
    """No answer in time is unknown; the child is killed and, if even that hangs, left behind."""
    command = [sys.executable, "-m", "joelclaw_health.probes.touch", d.kind, d.path]
    child = await anyio.open_process(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    text = b""
    with anyio.move_on_after(timeout) as scope:
        text = await _all(child)
    if scope.cancelled_caught:
        await _end(child)
        return Sample(d.name, CONDITION, "unknown", now, "", f"{d.path} did not answer within {timeout:g} s")
    await child.aclose()
    try:
        told = json.loads(text)
        ok, reason, free = bool(told["ok"]), str(told["reason"]), int(told.get("free", 0))
    except (ValueError, KeyError, TypeError):
        return Sample(d.name, CONDITION, "unknown", now, "", f"the probe of {d.path} ended without an answer")
    value = f"{free // _MIB} MiB free" if ok else ""
    if ok and free < free_mb * _MIB:
        ok, reason = False, f"{d.path} has {free // _MIB} MiB left, less than {free_mb}"
    return Sample(d.name, CONDITION, "ok" if ok else "failing", now, value, reason)


async def _all(child: Process) -> bytes:
    assert child.stdout is not None
    text = b""
    with suppress(anyio.EndOfStream):
        while len(text) < _LINE:
            text += await child.stdout.receive()
    await child.wait()
    return text


async def _end(child: Process) -> None:
    """Not `aclose`: that waits for the child, which in an uninterruptible call outlives even SIGKILL."""
    with suppress(ProcessLookupError):
        child.kill()
    with anyio.move_on_after(1.0, shield=True):
        await child.wait()
        await child.aclose()
