"""A throwaway server: a directory and a socket of its own, no port, no append-only file, and it ends with us.

With an append-only file it would start empty, and say PONG. It is told to be somebody's replica, for two reasons: a
replica drops no expired key, neither while it loads nor later, so that all it holds can be counted and compared exactly
whenever it is asked; and one that follows a `Relay` takes a source's data as replicas do. One that only loads a file
follows a port of ours on which nobody ever answers.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import Process

from joelclaw_backup import leash
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.layout import DUMP
from joelclaw_backup.parts import Held
from joelclaw_backup.source import databases_of, expires_of, fields_of
from joelclaw_bus import BusError, Store, StoreSettings, open_store
from joelclaw_bus.embedded import server_binary

_FOREIGN = range(12, 80)  # versions that Redis uses and Valkey does not read
_DATABASES = 1024
_POLL = 0.02
NOTHING: Mapping[str, str] = {}


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


@dataclass(frozen=True, slots=True)
class Throwaway:
    """One that runs. BackupFailed (did-not-start) with its own words when it does not answer."""

    tools: Tools
    store: Store
    process: Process
    began: float
    seconds: float

    async def loaded(self) -> int:
        """Waits until it has loaded its file; milliseconds since its start."""
        await self.until(lambda info: info.get("loading") == "0", "load the copy")
        return round((time.monotonic() - self.began) * 1000)

    async def follows_to(self, offset: int) -> None:
        """Waits until it has carried out its master's stream up to `offset`."""
        await self.until(lambda info: info.get("slave_repl_offset") == str(offset), f"come to offset {offset}")

    async def until(self, there: Callable[[dict[str, str]], bool], what: str) -> dict[str, str]:
        """Its INFO once `there` says so: one reply, so that all its numbers are of one moment."""
        with anyio.move_on_after(self.seconds):
            while self.process.returncode is None:
                try:
                    info = fields_of(await self.store.call("INFO", "everything"))
                    if there(info):
                        return info
                except BusError:
                    pass  # not listening yet
                await anyio.sleep(_POLL)
        ended = self.process.returncode is not None
        why = reason(await said(self.process)) if ended else f"it did not {what} within {self.seconds:g} s"
        raise BackupFailed(FailureClass.DID_NOT_START, f"a throwaway server did not start from the copy: {why}")

    async def held(self) -> Held:
        """All that it holds; nothing changes it, so one answer fits the other."""
        try:
            digest = (await self.store.call("DEBUG", "DIGEST")).decode()
            info = fields_of(await self.store.call("INFO", "everything"))
        except BusError as error:
            raise BackupFailed(FailureClass.DID_NOT_START, f"a throwaway server can't be read: {error}") from error
        version = info.get("valkey_version") or info.get("redis_version", "")
        return Held(
            databases=databases_of(info),
            expires=expires_of(info),
            libraries=int(info.get("number_of_libraries", 0)),
            digest=digest,
            by=f"{self.tools.family} {version}",
        )

    async def takes_users(self, acl: str) -> None:
        """Every user of an ACL, with all its rules; under other names, for one of them is who we are here. BackupFailed
        (started-and-differs) where a rule is refused, or is another one afterwards."""
        lines = [line.split(" ", 2) for line in acl.splitlines() if line]
        for n, words in enumerate(lines):
            try:
                if len(words) != 3 or words[0] != "user":
                    raise BackupFailed(FailureClass.STARTED_AND_DIFFERS, f"line {n + 1} of the ACL is no user's")
                for call in (("DELUSER", "probe"), ("SETUSER", "probe", "reset", *rules_of(words[2]))):
                    await self.store.call("ACL", *call)
                told = [line.decode("utf-8", "surrogateescape") for line in await self.store.call("ACL", "LIST")]
            except BusError as error:
                why = f"a throwaway server refuses the rules of the ACL's user {words[1]}: {error}"
                raise BackupFailed(FailureClass.STARTED_AND_DIFFERS, why) from error
            if f"user probe {words[2]}" not in told:
                why = f"the ACL's user {words[1]} has other rules in a throwaway server than at the source"
                raise BackupFailed(FailureClass.STARTED_AND_DIFFERS, why)


def rules_of(text: str) -> list[str]:
    """The rules of an ACL line; a selector, in parentheses, is one of them. Pure."""
    return re.findall(r"\([^)]*\)|\S+", text)


@asynccontextmanager
async def throwaway(
    tools: Tools, scratch: Path, seconds: float, *, master: tuple[int, str] | None = None, databases: int = 0
) -> AsyncIterator[Throwaway]:
    """Starts one over `scratch`. master: (port, password) that it follows; None: it loads the dump that is there.

    Its settings stand in a file that only we can read, since the password is in them and arguments are everybody's.
    """
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        nobody.listen(1)  # and never accepts
        port, password = master or (nobody.getsockname()[1], "")
        options = {
            "port": "0",
            "unixsocket": f'"{scratch}/s"',
            "unixsocketperm": "700",
            "dir": f'"{scratch}"',
            "dbfilename": DUMP,
            "appendonly": "no",
            "save": '""',
            "databases": str(max(_DATABASES, databases)),
            "enable-debug-command": "yes",
            "replicaof": f"127.0.0.1 {port}",
            "repl-diskless-load": "on-empty-db",
            "repl-timeout": str(max(60, round(seconds))),
            "replica-serve-stale-data": "yes",
            "loglevel": "notice",
        }
        if password:
            options["masterauth"] = password
        settings = scratch / "settings"
        settings.touch(0o600)
        settings.write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        began = time.monotonic()
        async with (
            leashed([str(tools.binary), str(settings)], scratch, seconds) as process,
            open_store(StoreSettings(f"unix://{scratch}/s", deadline=seconds, connections=1)) as store,
        ):
            yield Throwaway(tools, store, process, began, seconds)


@asynccontextmanager
async def scratch_directory(dump: Path | None = None) -> AsyncIterator[Path]:
    """A short-lived directory, with a link to the dump (an absolute path); its name leaves room for a socket's."""
    scratch = Path(await anyio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="jcb-")))
    try:
        if dump is not None:
            (scratch / DUMP).symlink_to(dump)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@asynccontextmanager
async def leashed(
    argv: list[str], scratch: Path, seconds: float, more: Mapping[str, str] = NOTHING
) -> AsyncIterator[Process]:
    """The program on its leash; ended with the block, whatever ends the block. more: variables, for what arguments
    must not show."""
    command = [sys.executable, "-I", "-S", str(Path(leash.__file__)), str(seconds), str(scratch), *argv]
    process = await anyio.open_process(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=scratch,
        env={"PATH": os.defpath, "LC_ALL": "C", **more},
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


async def said(process: Process) -> str:
    """The end of what the program said; only once it has ended."""
    assert process.stdout is not None
    raw = b"".join([piece async for piece in process.stdout])
    return re.sub(r"\x1b\[[0-9;]*m", "", raw.decode("utf-8", "replace"))


def reason(told: str) -> str:
    """The line that says it best: an error, a fatal one, else the last."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    telling = r"error|fatal|short read|bad|wrong|can't|unexpected|checksum"
    marked = [line for line in lines if re.search(telling, line, re.IGNORECASE)]
    return (marked[0] if marked else lines[-1] if lines else "it said nothing")[:300]
