"""The throwaway server: what the dump holds by a checker that loads nothing, and by a server that loads it.

The server has no append-only file (with one it would start empty, and say PONG), no port, a directory and a socket of
its own, and ends with us. Both programs are Valkey's own, from its wheel: `valkey-server` under the name
`valkey-check-rdb` is the checker. A dump of a Redis newer than 7.2 has a format that Valkey refuses; where a
`redis-server` is on PATH, that one restores it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import Process

from joelclaw_backup import leash
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.layout import DUMP
from joelclaw_backup.policy import Counts, Restored
from joelclaw_backup.source import databases_of, fields_of
from joelclaw_bus import BusError, StoreSettings, open_store
from joelclaw_bus.embedded import server_binary

_FOREIGN = range(12, 80)  # versions that Redis uses and Valkey does not read
_DATABASES = 1024
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs of one check. `family` is how the checker must be called."""

    binary: Path
    family: str


def tools_for(magic: str, version: int) -> Tools:
    """The server that can read such a dump. BackupFailed (did-not-start) where there is none."""
    if magic == "REDIS" and version in _FOREIGN:
        found = shutil.which("redis-server")
        if found is None:
            why = f"no server here reads RDB version {version} of Redis; put its redis-server on PATH"
            raise BackupFailed(FailureClass.DID_NOT_START, why)
        return Tools(Path(found).resolve(), "redis")
    try:
        return Tools(server_binary(), "valkey")
    except BusError as error:
        raise BackupFailed(FailureClass.DID_NOT_START, str(error)) from error


async def count(dump: Path, tools: Tools, seconds: float) -> Counts:
    """What the checker reads in the dump. BackupFailed (rdb-invalid)."""
    async with _scratch(dump) as scratch:
        checker = scratch / f"{tools.family}-check-rdb"
        checker.symlink_to(tools.binary)
        async with _leashed([str(checker), str(scratch / DUMP)], scratch, seconds) as process:
            code = await process.wait()
            told = await _said(process)
    if code or not re.search(r"Check RDB returned error code 0|RDB looks OK", told) or "error code 1" in told:
        why = f"ended with {code}" if code else _reason(told)
        raise BackupFailed(FailureClass.RDB_INVALID, f"the checker refuses the dump: {why}")
    return Counts(
        keys=_number(told, "keys read"),
        expires=_number(told, "expires"),
        expired=_number(told, "already expired"),
        libraries=_number(told, "functions", 0),
    )


async def restore(dump: Path, tools: Tools, seconds: float, databases: int = 0) -> tuple[Restored, str, int]:
    """Load it: (what the server holds then, the server's version, milliseconds until it answered)."""
    began = time.monotonic()
    async with _scratch(dump) as scratch:
        options = {
            "port": "0",
            "unixsocket": str(scratch / "s"),
            "dir": str(scratch),
            "dbfilename": DUMP,
            "appendonly": "no",
            "save": "",
            "databases": str(max(_DATABASES, databases)),
        }
        argv = [str(tools.binary), *(word for name, value in options.items() for word in (f"--{name}", value))]
        async with _leashed(argv, scratch, seconds) as process:
            info = await _loaded(process, scratch, seconds)
    restored = Restored(
        databases=databases_of(info),
        expired_loading=int(info.get("rdb_last_load_keys_expired", 0)),
        expired_since=int(info.get("expired_keys", 0)),
        libraries=int(info.get("number_of_libraries", 0)),
    )
    server = info.get("valkey_version") or info.get("redis_version", "")
    return restored, f"{tools.family} {server}", round((time.monotonic() - began) * 1000)


async def _loaded(process: Process, scratch: Path, seconds: float) -> dict[str, str]:
    """INFO of the server once it has loaded: one reply, so that all its numbers are of one moment."""
    async with open_store(StoreSettings(f"unix://{scratch}/s", deadline=min(seconds, 30.0), connections=1)) as store:
        with anyio.move_on_after(seconds):
            while process.returncode is None:
                try:
                    info = fields_of(await store.call("INFO", "everything"))
                    if info.get("loading") == "0":
                        return info
                except BusError:
                    pass  # not listening yet
                await anyio.sleep(_POLL)
    ended = process.returncode is not None
    why = _reason(await _said(process)) if ended else f"it did not answer within {seconds:g} s"
    raise BackupFailed(FailureClass.DID_NOT_START, f"a throwaway server did not start from the copy: {why}")


@asynccontextmanager
async def _scratch(dump: Path) -> AsyncIterator[Path]:
    """A short-lived directory with a link to the dump (an absolute path); its name leaves room for a socket's."""
    scratch = Path(await anyio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="jcb-")))
    try:
        (scratch / DUMP).symlink_to(dump)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@asynccontextmanager
async def _leashed(argv: list[str], scratch: Path, seconds: float) -> AsyncIterator[Process]:
    """The program on its leash; ended with the block, whatever ends the block."""
    command = [sys.executable, "-I", "-S", str(Path(leash.__file__)), str(seconds), str(scratch), *argv]
    process = await anyio.open_process(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=scratch,
        env={"PATH": os.defpath, "LC_ALL": "C"},
    )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            assert process.stdin is not None
            await process.stdin.aclose()
            with anyio.move_on_after(10):
                await process.wait()
            if process.returncode is None:
                process.kill()
            await process.aclose()


async def _said(process: Process) -> str:
    """The end of what the program said; only once it has ended."""
    assert process.stdout is not None
    raw = b"".join([piece async for piece in process.stdout])
    return re.sub(r"\x1b\[[0-9;]*m", "", raw.decode("utf-8", "replace"))


def _reason(told: str) -> str:
    """The line that says it best: an error, a fatal one, else the last."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    telling = r"error|fatal|short read|bad|wrong|can't|unexpected|checksum"
    marked = [line for line in lines if re.search(telling, line, re.IGNORECASE)]
    return (marked[0] if marked else lines[-1] if lines else "it said nothing")[:300]


def _number(told: str, what: str, default: int | None = None) -> int:
    found = re.search(rf"\[info\] ([0-9]+) {re.escape(what)}\b", told)
    if found:
        return int(found[1])
    if default is None:
        raise BackupFailed(FailureClass.RDB_INVALID, f"the checker does not say how many {what}")
    return default
