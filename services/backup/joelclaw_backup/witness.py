"""The source's truth, got without the dump: a throwaway replica that is stopped at the very offset of the dump.

A digest of the dump's own parse would prove that the dump equals itself. So a second full synchronisation, of another
moment and another fork, is fed to a throwaway replica (docs/decisions/0042), then the source's stream of commands, byte
for byte, until the offset at which the dump was made, and not one byte more. What that replica then holds, the source
held at that offset; what is restored from the dump must be the same, key by key and value by value.

    witness ──PSYNC──▶ source      dump A, then commands ─────────────┤ cut at the dump's offset: counted, digested
    dump    ──PSYNC──▶ source                 dump B (the artefact) ──┘
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import anyio

from joelclaw_backup.address import Address
from joelclaw_backup.beside import beside
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.parts import Held
from joelclaw_backup.policy import class_of
from joelclaw_backup.rdb import header_of
from joelclaw_backup.relay import Relay, relay
from joelclaw_backup.replication import PATIENT, Deadlines, Snapshot, snapshot_of
from joelclaw_backup.throwaway import Throwaway, scratch_directory, throwaway, tools_for

_ACK = 1.0
_SPOOL = 16 * 1024 * 1024


@dataclass
class Witness:
    """A replica that has loaded the source's data and waits to be told how far to go."""

    address: Address
    snapshot: Snapshot
    replica: Throwaway
    relay: Relay
    scratch: Path
    spool: IO[bytes]
    _came: int = 0
    _more: anyio.Event = field(default_factory=anyio.Event)
    _broken: BackupFailed | None = None

    async def at(self, replication_id: str, offset: int, seconds: float) -> Held:
        """What the source held at `offset`. BackupFailed (source-changed) where it is not one history any more."""
        needed = offset - self.snapshot.offset
        if replication_id != self.snapshot.replication_id or needed < 0:
            why = "was restarted or became another's replica between the witness and the dump"
            raise BackupFailed(FailureClass.SOURCE_CHANGED, f"source {self.address.shown} {why}")
        with anyio.move_on_after(seconds):
            while self._came < needed and self._broken is None:
                await self._more.wait()
        if self._came < needed:
            told = f"source {self.address.shown} did not send its stream up to the dump's offset within {seconds:g} s"
            raise self._broken or BackupFailed(FailureClass.TIMEOUT, told)
        self.spool.seek(0)
        while needed:
            piece = self.spool.read(min(needed, 1 << 20))
            needed -= len(piece)
            await self.relay.send(piece)
        await self.replica.follows_to(offset)
        return await self.replica.held()

    async def listen(self) -> None:
        """Takes in the source's stream, which waits in a spool until it is known how much of it counts."""
        try:
            async for piece in self.snapshot.stream():
                self.spool.seek(0, 2)
                self.spool.write(piece)
                self._came += len(piece)
                self._tell()
        except BackupFailed as broken:
            self._fail(broken)
        except OSError as error:
            self._fail(BackupFailed(class_of(error), f"the source's stream can't be spooled: {error}"))

    async def acknowledge(self) -> None:
        """A source sends no stream before the first acknowledgement, and drops who falls silent."""
        try:
            while self._broken is None:
                await self.snapshot.acknowledge(self.snapshot.offset + self._came)
                await anyio.sleep(_ACK)
        except BackupFailed as broken:
            self._fail(broken)

    def _fail(self, broken: BackupFailed) -> None:
        self._broken = self._broken or broken
        self._tell()

    def _tell(self) -> None:
        self._more.set()
        self._more = anyio.Event()


@asynccontextmanager
async def witness_of(
    address: Address, seconds: float, databases: int = 0, deadlines: Deadlines = PATIENT
) -> AsyncIterator[Witness]:
    """A witness of the source from now on; ended with the block. BackupFailed, classified."""
    async with (
        snapshot_of(address, deadlines, follow=True) as snapshot,
        scratch_directory() as scratch,
        relay() as master,
    ):
        first, chunks = await _header(snapshot)
        tools = tools_for(*header_of(first))
        async with throwaway(
            tools, scratch, seconds, master=(master.port, master.password), databases=databases
        ) as replica:
            await master.begin(snapshot.replication_id, snapshot.offset, min(seconds, 30.0))
            await master.send(snapshot.announcement + first)
            async for chunk in chunks:
                await master.send(chunk)
            await master.send(snapshot.mark)
            await replica.follows_to(snapshot.offset)
            with _spool(scratch) as spool:
                witness = Witness(address, snapshot, replica, master, scratch, spool)
                async with beside(witness.listen, witness.acknowledge):
                    yield witness


def _spool(scratch: Path) -> IO[bytes]:
    # In memory, unless the source writes a great deal meanwhile.
    return cast(IO[bytes], tempfile.SpooledTemporaryFile(_SPOOL, dir=str(scratch)))


async def _header(snapshot: Snapshot) -> tuple[bytes, AsyncIterator[bytes]]:
    first, chunks = b"", aiter(snapshot.chunks)
    while len(first) < 9:
        piece = await anext(chunks, b"")
        if not piece:
            break
        first += piece
    return first, chunks
