"""A Redis backup's `take`: over the network, as a replica; and how its copy is restored. The rest is in `steps.py`."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

from joelclaw_backup.address import Address
from joelclaw_backup.clock import now_ms
from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.layout import artefact_id
from joelclaw_backup.manifest import Dump, Held, Manifest, RedisManifest, Taken
from joelclaw_backup.rdb import RdbFrame, RdbReader
from joelclaw_backup.records import FileRecord, iso, plain
from joelclaw_backup.replication import Snapshot, snapshot_of
from joelclaw_backup.restore import count, restore
from joelclaw_backup.settings import BackupSettings
from joelclaw_backup.source import identify, located
from joelclaw_backup.staging import StagedDump
from joelclaw_backup.steps import Facts, Steps, classified
from joelclaw_backup.threads import in_thread
from joelclaw_backup.throwaway import tools_for
from joelclaw_backup.witness import witness_of

TARGET = "redis"
BUFFER = 1024 * 1024
STREAM_SECONDS = 60.0
"""So long the source's stream may take to come to the dump's offset."""
CHECK_SECONDS = 3600.0
"""The longest a checker or a throwaway server may take; a child of its own ends it."""


@dataclass(frozen=True)
class RedisBackup(Steps):
    """The steps over one source and one destination."""

    settings: BackupSettings
    target: ClassVar[str] = TARGET

    @property
    def keeping(self) -> BackupSettings:
        return self.settings

    def going_to(self, place: Destination) -> RedisBackup:
        return replace(self, settings=replace(self.settings, destination=place))

    async def take(self, run: str, round: int, requested_by: str, at_ms: int) -> Facts:
        artefact, settings = artefact_id(run, round, at_ms), self.settings
        there = await self.newest()
        address = await located(settings.source)
        source = await identify(address)
        if settings.source.sentinels and source.role != "master":
            why = f"the sentinels name {address.shown}, which is a {source.role}: a failover is under way"
            raise BackupFailed(FailureClass.SERVER_UNAVAILABLE, why)
        async with classified("the dump can't be put into the staging directory"):
            staged = await in_thread(StagedDump.begin, settings.staging, TARGET, artefact)
            try:
                taken, file, frame, witness = await self._take(address, staged, highest_of(source.databases))
                counts = await count(staged.path, tools_for(frame.magic, frame.version), CHECK_SECONDS)
            finally:
                staged.close()
        manifest = RedisManifest(
            id=artefact,
            target=TARGET,
            run=run,
            round=round,
            requested_by=requested_by,
            parent=there["parent"],
            source=source,
            taken=taken,
            dump=Dump(magic=frame.magic, version=frame.version, crc=frame.crc, **asdict(counts)),
            witness=witness,
            tools={
                "joelclaw-backup": version("joelclaw-backup"),
                "python": platform.python_version(),
                "checker": tools_for(frame.magic, frame.version).binary.name,
                **({"witness": witness.by} if witness else {}),
            },
            files=(file,),
        )
        return {"staged": staged.partial, "manifest": plain(manifest)}

    async def _take(
        self, address: Address, staged: StagedDump, databases: int
    ) -> tuple[Taken, FileRecord, RdbFrame, Held | None]:
        settings, witness = self.settings, None
        async with AsyncExitStack() as stack:
            if settings.witness:
                witness = await stack.enter_async_context(witness_of(address, CHECK_SECONDS, databases))
            began = now_ms()
            async with snapshot_of(address) as snapshot:
                file, frame = await _receive(staged, snapshot)
            ended = now_ms()
            held = await witness.at(snapshot.replication_id, snapshot.offset, STREAM_SECONDS) if witness else None
        taken = Taken(
            mode=snapshot.mode,
            replication_id=snapshot.replication_id,
            offset=snapshot.offset,
            started_at=iso(began),
            ended_at=iso(ended),
        )
        return taken, file, frame, held

    async def restored(self, folder: Path, manifest: Manifest) -> tuple[Held, int]:
        return await restored_from(folder, as_redis(manifest))


async def restored_from(folder: Path, manifest: RedisManifest) -> tuple[Held, int]:
    """Start a throwaway server from a fetched dump: (what it holds, milliseconds until it had loaded)."""
    tools = tools_for(manifest.dump.magic, manifest.dump.version)
    databases = manifest.witness.databases if manifest.witness else manifest.source.databases
    return await restore(folder / manifest.files[0].name, tools, CHECK_SECONDS, highest_of(databases))


def as_redis(manifest: Manifest) -> RedisManifest:
    """BackupFailed where it is another target's."""
    if isinstance(manifest, RedisManifest):
        return manifest
    raise BackupFailed(FailureClass.UNKNOWN, f"{manifest.id} is of {manifest.target}, not of Redis")


def highest_of(databases: dict[str, int]) -> int:
    """So many databases a server must have to take these."""
    return max((int(number) for number in databases), default=0) + 1


async def _receive(staged: StagedDump, snapshot: Snapshot) -> tuple[FileRecord, RdbFrame]:
    reader = RdbReader()

    def write(block: bytearray) -> None:
        staged.write(block)
        reader.feed(block)

    async for block in _in_blocks(snapshot.chunks):
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
