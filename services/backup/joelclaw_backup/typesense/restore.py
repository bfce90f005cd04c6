"""A throwaway Typesense from an archive: ports and a key of its own, on this machine alone, and it ends with us."""

from __future__ import annotations

import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import Process

from joelclaw_backup import killable
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.files import open_directory
from joelclaw_backup.manifest import TypesenseManifest
from joelclaw_backup.parts import Collected
from joelclaw_backup.space import require_room
from joelclaw_backup.throwaway import leashed, reason, said
from joelclaw_backup.typesense.api import Typesense
from joelclaw_backup.typesense.archive import unpack
from joelclaw_backup.typesense.content import collecting

SECONDS = 3600.0
"""The longest it may take to start, and to be read."""
TRIES = 3  # a port that was free may be another's when it is bound
_POLL = 0.2


async def restored_from(folder: Path, manifest: TypesenseManifest, binary: Path) -> tuple[Collected, int]:
    """(what it holds, milliseconds until it served). BackupFailed (did-not-start) with its own words."""
    for left in reversed(range(TRIES)):
        scratch = Path(tempfile.mkdtemp(prefix="started-", dir=folder))
        try:
            async with _started(folder, manifest, binary, scratch) as (server, ms):
                return await killable.run(folder, collecting, None, server), ms
        except BackupFailed as failed:
            if not left or "ddress already in use" not in str(failed):
                raise
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(shutil.rmtree, scratch, True)
    raise AssertionError("the last try returns or raises")


@asynccontextmanager
async def _started(
    folder: Path, manifest: TypesenseManifest, binary: Path, scratch: Path
) -> AsyncIterator[tuple[Typesense, int]]:
    data = scratch / "data"
    await anyio.to_thread.run_sync(_unpacked, folder / manifest.files[0].name, data, manifest)
    key, (port, peering) = secrets.token_hex(16), _free_ports()
    server = Typesense(f"http://127.0.0.1:{port}", key, SECONDS)
    argv = [
        str(binary),
        f"--data-dir={data}",
        "--api-address=127.0.0.1",
        f"--api-port={port}",
        "--peering-address=127.0.0.1",
        f"--peering-port={peering}",
    ]
    began = time.monotonic()
    async with leashed(argv, scratch, SECONDS, {"TYPESENSE_API_KEY": key}) as process:
        await _serves(server, process)
        yield server, round((time.monotonic() - began) * 1000)


def _unpacked(archive: Path, data: Path, manifest: TypesenseManifest) -> None:
    data.mkdir(mode=0o700)
    with closing(open_directory(data)) as folder:
        require_room(folder, 2 * manifest.bytes, 0, f"a throwaway Typesense in {data.parent.parent}")
    unpack(archive, data, manifest.members)


async def _serves(server: Typesense, process: Process) -> None:
    """Until it does. A snapshot of a cluster's member lets it wait first for peers that never come."""
    with anyio.move_on_after(SECONDS):
        while process.returncode is None:
            try:
                if await anyio.to_thread.run_sync(server.healthy, abandon_on_cancel=True):
                    return
            except BackupFailed:
                pass  # not listening yet
            await anyio.sleep(_POLL)
    ended = process.returncode is not None
    why = reason(await said(process)) if ended else f"it did not serve within {SECONDS:g} s"
    raise BackupFailed(FailureClass.DID_NOT_START, f"a throwaway Typesense did not start from the copy: {why}")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
