"""The five steps of a Redis backup. Each can be done again from its beginning: a half-done directory is never used.

| step    | leaves                                                     | records                               |
|---------|------------------------------------------------------------|---------------------------------------|
| take    | the dump in the staging directory, checked and counted     | who the source is, size, hash, counts |
| copy    | `<id>.<token>.partial` at the destination, with a manifest  | its name                              |
| verify  | nothing                                                    | what was read back and restored       |
| publish | the set under its name, `latest`, fewer old sets            | where it is, what was pruned          |
| recheck | what an older set's bytes are found to be, beside it       | the same                              |
"""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from joelclaw_backup import killable
from joelclaw_backup.address import Address
from joelclaw_backup.clock import now_ms
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.fetch import scratch_in
from joelclaw_backup.layout import artefact_id
from joelclaw_backup.looking import Shelved, rechecking
from joelclaw_backup.manifest import Dump, FileRecord, Held, Manifest, Taken, Verified, iso, plain, sha256
from joelclaw_backup.policy import class_of, compare
from joelclaw_backup.progress import progress_file, telling
from joelclaw_backup.publishing import copying_set, fetching_copy, newest_set, publishing_set
from joelclaw_backup.rdb import RdbFrame, RdbReader
from joelclaw_backup.replication import Snapshot, snapshot_of
from joelclaw_backup.restore import count, restore
from joelclaw_backup.settings import BackupSettings
from joelclaw_backup.source import identify, located
from joelclaw_backup.staging import StagedDump, discard
from joelclaw_backup.switch import Mode
from joelclaw_backup.threads import in_thread
from joelclaw_backup.throwaway import tools_for
from joelclaw_backup.witness import witness_of

TARGET = "redis"
BUFFER = 1024 * 1024
STREAM_SECONDS = 60.0
"""So long the source's stream may take to come to the dump's offset."""
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
        artefact, settings = artefact_id(run, round, at_ms), self.settings
        there = await self._looked()
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
        manifest = Manifest(
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

    async def _looked(self) -> Facts:
        """What is newest, by the first way that is open; where none is and sets may wait, one is taken all the same."""
        settings, trouble = self.settings, BackupFailed(FailureClass.UNKNOWN, "there is no destination")
        for place in settings.ways.values():
            try:
                async with classified("the destination can't be looked at"):
                    return await killable.run(place.path, newest_set, None, place, TARGET, settings.aside)
            except BackupFailed as failed:
                trouble = failed
        if settings.queue is None:
            raise trouble
        return {"parent": ""}

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

    async def copy(self, taken: Facts) -> Facts:
        """From the staging directory to the destination, hashed as it goes."""
        settings, manifest = self.settings, Manifest.model_validate(taken["manifest"])
        async with classified(f"the copy to {settings.destination.path} failed"):
            with self._telling("copying", manifest) as told:
                kept, place = settings.kept_in(taken), settings.destination
                return await killable.run(place.path, copying_set, told, kept, taken["staged"], place, manifest)

    async def verify(self, taken: Facts, copied: Facts) -> Facts:
        """Read all of it back, and restore the very bytes that were read. BackupFailed names the file that differs."""
        manifest, destination = Manifest.model_validate(taken["manifest"]), self.settings.destination
        async with classified("the copy can't be read back and restored"):
            with scratch_in(self.settings.staging, manifest.id) as scratch:
                with self._telling("reading back", manifest) as told:
                    inspected = await killable.run(
                        destination.path, fetching_copy, told, destination, manifest, copied["partial"], scratch
                    )
                if inspected.findings:
                    first = inspected.findings[0]
                    raise BackupFailed(first.verdict, f"the copy is not what left the source: {first}")
                if inspected.manifest != manifest:
                    why = "the copy is not what left the source: manifest.json differs"
                    raise BackupFailed(FailureClass.HASH_DIFFERS, why)
                restored, restore_ms = await restored_from(scratch.path, manifest)
        compared = compare(manifest, restored)
        if compared.verdict:
            raise BackupFailed(compared.verdict, f"a throwaway server started and differs: {compared.detail}")
        verified = Verified(
            id=manifest.id,
            manifest_sha256=sha256(manifest.render()),
            verified_at=iso(now_ms()),
            reread_bytes=inspected.bytes,
            restored=restored,
            restore_ms=restore_ms,
        )
        return {"verified": plain(verified.sealed())}

    async def publish(self, taken: Facts, copied: Facts, proven: Facts) -> Facts:
        """The set gets its name; then `latest`, then retention, then the staging directory is emptied."""
        settings, manifest = self.settings, Manifest.model_validate(taken["manifest"])
        verified = Verified.model_validate(proven["verified"])
        async with classified("the verified copy can't be published"):
            published = await killable.run(
                settings.destination.path,
                publishing_set,
                None,
                settings.destination,
                manifest,
                verified,
                copied["partial"],
                settings.rule,
                settings.aside,
            )
        await self.discard(taken)
        return published

    async def recheck(self, published: Facts) -> Facts:
        """Reads one older set again, the one that waited longest: {"id", "verdict", "detail", "bytes"}. Never a failure
        of this backup, which is safe by now; what is found is remembered and told."""
        settings = self.settings
        at = Shelved(settings.destination, TARGET, settings.aside)
        try:
            return await killable.run(settings.destination.path, rechecking, None, at, published["id"])
        except (BackupFailed, OSError) as error:
            return {"id": "", "verdict": str(class_of(error)), "detail": str(error), "bytes": 0}

    def towards(self, mode: Mode) -> RedisBackup:
        """The same steps, going that way."""
        return replace(self, settings=self.settings.towards(mode))

    def _telling(self, what: str, manifest: Manifest) -> AbstractContextManager[Callable[[int], None]]:
        settings = self.settings
        file = progress_file(settings.staging.root, TARGET)
        return telling(file, what, manifest.id, settings.destination.mode, manifest.bytes)

    async def discard(self, taken: Facts) -> None:
        """Nothing staged survives a run that has ended; what a crash leaves, the next run sweeps. What is queued is
        its drainer's to take away."""
        if taken and not taken.get("queued"):
            with suppress(OSError, RuntimeError, BackupFailed):
                await in_thread(discard, self.settings.staging, TARGET, taken["staged"])


async def restored_from(folder: Path, manifest: Manifest) -> tuple[Held, int]:
    """Start a throwaway server from a fetched dump: (what it holds, milliseconds until it had loaded)."""
    tools = tools_for(manifest.dump.magic, manifest.dump.version)
    databases = manifest.witness.databases if manifest.witness else manifest.source.databases
    return await restore(folder / manifest.files[0].name, tools, CHECK_SECONDS, highest_of(databases))


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
