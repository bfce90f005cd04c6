"""The four steps of a Redis backup. Each can be done again from its beginning: a half-done directory is never used.

| step    | leaves                                                     | records                               |
|---------|------------------------------------------------------------|---------------------------------------|
| take    | the dump in the staging directory, checked and counted     | who the source is, size, hash, counts |
| copy    | `<id>.<token>.partial` at the destination, with a manifest  | its name                              |
| verify  | nothing                                                    | what was read back and restored       |
| publish | the set under its name, `latest`, fewer old sets            | where it is, what was pruned          |
"""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from joelclaw_backup.artefacts import now_ms
from joelclaw_backup.destination import check_destination
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.files import in_thread, patiently
from joelclaw_backup.layout import artefact_id
from joelclaw_backup.manifest import Dump, FileRecord, Manifest, Taken, Verified, iso, plain, sha256
from joelclaw_backup.policy import class_of, difference
from joelclaw_backup.publishing import copying_set, dump_path, inspecting_copy, publish_set
from joelclaw_backup.rdb import RdbFrame, RdbReader
from joelclaw_backup.replication import Snapshot, snapshot_of
from joelclaw_backup.restore import count, restore, tools_for
from joelclaw_backup.retention import Rule
from joelclaw_backup.settings import BackupSettings
from joelclaw_backup.source import identify
from joelclaw_backup.staging import StagedDump, discard

TARGET = "redis"
BUFFER = 1024 * 1024
CHECK_SECONDS = 3600.0
"""The longest a checker or a throwaway server may take; a child of its own ends it."""

Facts = dict[str, Any]
"""What a step records: JSON-able."""


@dataclass(frozen=True, slots=True)
class RedisBackup:
    """The steps over one source and one destination."""

    settings: BackupSettings

    async def take(self, run: str, round: int, requested_by: str, at_ms: int) -> Facts:
        """The destination is looked at first: what can't be kept need not be taken."""
        artefact = artefact_id(run, round, at_ms)
        async with classified("the destination can't be looked at"):
            await in_thread(check_destination, self.settings.destination)
        source = await identify(self.settings.source)
        async with classified("the dump can't be put into the staging directory"):
            staged = await in_thread(StagedDump.begin, self.settings.staging, TARGET, artefact)
            try:
                began = now_ms()
                async with snapshot_of(self.settings.source) as snapshot:
                    file, frame = await _receive(staged, snapshot)
                ended = now_ms()
                dump = await _counted(staged, frame)
            finally:
                staged.close()
        taken = Taken(
            mode=snapshot.mode,
            replication_id=snapshot.replication_id,
            offset=snapshot.offset,
            started_at=iso(began),
            ended_at=iso(ended),
        )
        manifest = Manifest(
            id=artefact,
            target=TARGET,
            run=run,
            round=round,
            requested_by=requested_by,
            source=source,
            taken=taken,
            dump=dump,
            tools={"joelclaw-backup": version("joelclaw-backup"), "python": platform.python_version()},
            files=(file,),
        )
        return {"staged": staged.partial, "manifest": plain(manifest)}

    async def copy(self, taken: Facts) -> Facts:
        """From the staging directory to the destination, hashed as it goes."""
        settings, manifest = self.settings, Manifest.model_validate(taken["manifest"])
        async with classified(f"the copy to {settings.destination.root} failed"):
            copied = await patiently(copying_set(settings.staging, taken["staged"], settings.destination, manifest))
        return {"partial": copied}

    async def verify(self, taken: Facts, copied: Facts) -> Facts:
        """Read all of it back, then restore it in a throwaway server. BackupFailed names the file that differs."""
        manifest, destination = Manifest.model_validate(taken["manifest"]), self.settings.destination
        async with classified("the copy can't be read back"):
            inspected = await patiently(inspecting_copy(destination, manifest, copied["partial"]))
        if inspected.findings:
            first = inspected.findings[0]
            raise BackupFailed(first.verdict, f"the copy is not what left the source: {first}")
        if inspected.manifest != manifest:
            raise BackupFailed(FailureClass.HASH_DIFFERS, "the copy is not what left the source: manifest.json differs")
        tools = tools_for(manifest.dump.magic, manifest.dump.version)
        path = dump_path(destination, TARGET, copied["partial"])
        async with classified("the copy can't be restored"):
            counts = await count(path, tools, CHECK_SECONDS)
            highest = max((int(number) for number in manifest.source.databases), default=0)
            restored, server, restore_ms = await restore(path, tools, CHECK_SECONDS, highest + 1)
        if problem := difference(counts, restored):
            raise BackupFailed(FailureClass.STARTED_AND_DIFFERS, f"a throwaway server started and differs: {problem}")
        verified = Verified(
            id=manifest.id,
            manifest_sha256=sha256(manifest.render()),
            verified_at=iso(now_ms()),
            reread_bytes=inspected.bytes,
            restored=restored.databases,
            expired=restored.expired_loading + restored.expired_since,
            server=server,
            restore_ms=restore_ms,
        )
        return {"verified": plain(verified.sealed())}

    async def publish(self, taken: Facts, copied: Facts, proven: Facts) -> Facts:
        """The set gets its name; then `latest`, then retention, then the staging directory is emptied."""
        manifest = Manifest.model_validate(taken["manifest"])
        verified = Verified.model_validate(proven["verified"])
        async with classified("the verified copy can't be published"):
            published = await in_thread(
                publish_set, self.settings.destination, manifest, verified, copied["partial"], Rule(self.settings.keep)
            )
        await self.discard(taken)
        return published

    async def discard(self, taken: Facts) -> None:
        """Nothing staged survives a run that has ended; what a crash leaves, the next run sweeps."""
        if taken:
            with suppress(OSError, RuntimeError, BackupFailed):
                await in_thread(discard, self.settings.staging, TARGET, taken["staged"])


async def _receive(staged: StagedDump, snapshot: Snapshot) -> tuple[FileRecord, RdbFrame]:
    reader = RdbReader()

    def write(block: bytearray) -> None:
        staged.write(block)
        reader.feed(block)

    async for block in _in_blocks(snapshot.chunks):
        await in_thread(write, block)
    return await in_thread(staged.finish), reader.frame()


async def _counted(staged: StagedDump, frame: RdbFrame) -> Dump:
    counts = await count(staged.path, tools_for(frame.magic, frame.version), CHECK_SECONDS)
    return Dump(
        magic=frame.magic,
        version=frame.version,
        crc=frame.crc,
        keys=counts.keys,
        expires=counts.expires,
        expired=counts.expired,
        libraries=counts.libraries,
    )


@asynccontextmanager
async def classified(what: str) -> AsyncIterator[None]:
    """Trouble with files and sockets becomes a classified failure; anything else is left to the engine's retries."""
    try:
        yield
    except (OSError, TimeoutError) as error:
        text = error.strerror or type(error).__name__ if isinstance(error, OSError) else "timed out"
        raise BackupFailed(class_of(error), f"{what}: {text}") from error


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
