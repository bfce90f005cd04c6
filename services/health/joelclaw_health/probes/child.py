"""A probe in a child of its own: a dead NAS holds a call for ever, and no thread can be killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio
from anyio.abc import Process

_LINE = 64 * 1024


async def ask(
    module: str, *words: str, timeout: float, environ: Mapping[str, str] | None = None
) -> dict[str, Any] | str:
    """The JSON object that `python -m MODULE WORDS` prints, or what went wrong with the asking. After `timeout` (s) the
    child is killed and, if even that hangs, left behind. environ: the child's; None: ours."""
    command = [sys.executable, "-m", module, *words]
    env = None if environ is None else dict(environ)
    child = await anyio.open_process(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    text = b""
    with anyio.move_on_after(timeout) as scope:
        text = await _all(child)
    if scope.cancelled_caught:
        await _end(child)
        return f"did not answer within {timeout:g} s"
    await child.aclose()
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    return told if isinstance(told, dict) else "ended its probe without an answer"


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
