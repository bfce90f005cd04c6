"""One server's data, taken into the staging directory: its dump, what it held at that moment, and its ACL users.

The dump comes as a replica gets it, or where a path is configured from the file that a `BGSAVE` leaves there
(docs/decisions/0170).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from joelclaw_backup.address import Address
from joelclaw_backup.bgsave import saved
from joelclaw_backup.clock import now_ms
from joelclaw_backup.parts import Dump, Held, Source, Taken
from joelclaw_backup.rdb import RdbFrame, RdbReader
from joelclaw_backup.rdb_file import RdbFile, mark_of
from joelclaw_backup.records import FileRecord, iso
from joelclaw_backup.replication import snapshot_of
from joelclaw_backup.restore import count
from joelclaw_backup.source import users_of
from joelclaw_backup.staging import StagedDump
from joelclaw_backup.threads import in_thread
from joelclaw_backup.throwaway import tools_for
from joelclaw_backup.witness import witness_of

BUFFER = 1024 * 1024
STREAM_SECONDS = 60.0
"""So long the source's stream may take to come to the dump's offset."""
CHECK_SECONDS = 3600.0
"""The longest a checker or a throwaway server may take; a child of its own ends it."""


@dataclass(frozen=True, slots=True)
class Took:
    """files: the dump, then the users where they may be asked for."""

    taken: Taken
    dump: Dump
    witness: Held | None
    files: tuple[FileRecord, ...]
    checker: str


async def take_server(
    address: Address, source: Source, staged: StagedDump, users: str, *, witness: bool, rdb: Path | None = None
) -> Took:
    """Into the file that is staged now; its users into the next one, which gets that name. rdb: the file that the
    server's BGSAVE writes; None: it is copied as a replica. BackupFailed, OSError."""
    taken, file, frame, held = await _take(address, source, staged, witness, rdb)
    tools = tools_for(frame.magic, frame.version)
    counts = await count(staged.path, tools, CHECK_SECONDS)
    files, told = [file], await users_of(address)
    if told is not None:
        await in_thread(staged.next, users)
        await in_thread(staged.write, told)
        files.append(await in_thread(staged.finish))
    dump = Dump(magic=frame.magic, version=frame.version, crc=frame.crc, **asdict(counts))
    return Took(taken, dump, held, tuple(files), tools.binary.name)


def highest_of(databases: dict[str, int]) -> int:
    """So many databases a server must have to take these."""
    return max((int(number) for number in databases), default=0) + 1


async def _take(
    address: Address, source: Source, staged: StagedDump, wanted: bool, rdb: Path | None
) -> tuple[Taken, FileRecord, RdbFrame, Held | None]:
    witness = None
    async with AsyncExitStack() as stack:
        if wanted:
            databases = highest_of(source.databases)
            witness = await stack.enter_async_context(witness_of(address, CHECK_SECONDS, databases))
        began = now_ms()
        mode: Literal["stream", "disk"]
        if rdb is None:
            async with snapshot_of(address) as snapshot:
                file, frame = await _receive(staged, snapshot.chunks)
            mode, history, offset = snapshot.mode, snapshot.replication_id, snapshot.offset
        else:
            file, frame, history, offset = await _saved(address, source, staged, rdb)
            mode = "disk"
        ended = now_ms()
        held = await witness.at(history, offset, STREAM_SECONDS) if witness else None
    taken = Taken(mode=mode, replication_id=history, offset=offset, started_at=iso(began), ended_at=iso(ended))
    return taken, file, frame, held


async def _saved(
    address: Address, source: Source, staged: StagedDump, rdb: Path
) -> tuple[FileRecord, RdbFrame, str, int]:
    """(file, its frame, the server's replication id, the offset that it is of; -1 where it does not say)."""
    before = await in_thread(mark_of, rdb)
    when = await saved(address, source.run_id, CHECK_SECONDS)
    with closing(await in_thread(RdbFile, rdb, before)) as dump:
        dump.require(when, source.version)
        return *await _receive(staged, _blocks(dump)), when.history, dump.offset


async def _blocks(dump: RdbFile) -> AsyncIterator[bytes]:
    while block := await in_thread(dump.read):
        yield block


async def _receive(staged: StagedDump, chunks: AsyncIterator[bytes]) -> tuple[FileRecord, RdbFrame]:
    reader = RdbReader()

    def write(block: bytearray) -> None:
        staged.write(block)
        reader.feed(block)

    async for block in _in_blocks(chunks):
        await in_thread(write, block)
    return await in_thread(staged.finish), reader.frame()


async def _in_blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytearray]:
    """The stream in megabytes: one visit to a thread for each, and no more than one in memory."""
    block = bytearray()
    async for chunk in chunks:
        block += chunk
        if len(block) >= BUFFER:
            yield block
            block = bytearray()
    if block:
        yield block
