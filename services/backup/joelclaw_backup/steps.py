"""What every backup does with what it took, whatever it took it from: copy, verify, publish, recheck, discard.

| step    | leaves                                                     | records                               |
|---------|------------------------------------------------------------|---------------------------------------|
| take    | what was taken in the staging directory, checked and counted | who the source is, size, hash, counts |
| copy    | `<id>.<token>.partial` at the destination, with a manifest  | its name                              |
| verify  | nothing                                                    | what was read back and restored       |
| publish | the set under its name, `latest`, fewer old sets            | where it is, what was pruned          |
| clean   | the source without what was made there to be taken         | the same                              |
| recheck | what an older set's bytes are found to be, beside it       | the same                              |

Each can be done again from its beginning: a half-done directory is never used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from joelclaw_backup import killable
from joelclaw_backup.clock import now_ms
from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.fetch import scratch_in
from joelclaw_backup.looking import Shelved, rechecking
from joelclaw_backup.manifest import ClusterManifest, Manifest, Restored, Verified
from joelclaw_backup.policy import class_of, compare
from joelclaw_backup.progress import progress_file, telling
from joelclaw_backup.publishing import copying_set, fetching_copy, newest_set, publishing_set
from joelclaw_backup.records import iso, plain, sha256
from joelclaw_backup.retention import Rule
from joelclaw_backup.staging import discard
from joelclaw_backup.switch import Mode
from joelclaw_backup.threads import in_thread
from joelclaw_backup.travel import Travel

Facts = dict[str, Any]
"""What a step records: JSON-able."""


class Keeping(Protocol):
    """What all backups are told alike."""

    @property
    def destination(self) -> Destination: ...
    @property
    def staging(self) -> Destination: ...
    @property
    def aside(self) -> Path: ...
    @property
    def rule(self) -> Rule: ...
    @property
    def window_hours(self) -> float: ...
    @property
    def schedule(self) -> str: ...
    @property
    def travel(self) -> Travel: ...


class Steps(ABC):
    """The steps over one source and one destination."""

    target: ClassVar[str]

    @property
    @abstractmethod
    def keeping(self) -> Keeping: ...

    @abstractmethod
    def going_to(self, place: Destination) -> Self:
        """The same steps, with another destination."""

    @property
    def ways(self) -> dict[Mode, Destination]:
        """The ways that a copy may go, in the order of preference."""
        return self.keeping.travel.ways(self.keeping.destination)

    @abstractmethod
    async def take(self, run: str, round: int, requested_by: str, at_ms: int) -> Facts:
        """{"staged": its directory in the staging directory, "manifest"}. BackupFailed, classified."""

    @abstractmethod
    async def restored(self, folder: Path, manifest: Manifest) -> tuple[Restored | None, int | None]:
        """What a throwaway server holds that was started from a fetched copy, and how many ms it took to start."""

    async def clean(self, taken: Facts) -> Facts:
        """The source without what was made there, now that the copy is verified. Trouble is told, never raised."""
        return {}

    async def newest(self) -> Facts:
        """What is newest there, by the first way that is open: what can't be kept need not be taken. Where no way is
        open and sets may wait, it is taken all the same."""
        keeping, trouble = self.keeping, BackupFailed(FailureClass.UNKNOWN, "there is no destination")
        for place in self.ways.values():
            try:
                async with classified("the destination can't be looked at"):
                    return await killable.run(place.path, newest_set, None, place, self.target, keeping.aside)
            except BackupFailed as failed:
                trouble = failed
        if keeping.travel.queue is None:
            raise trouble
        return {"parent": ""}

    async def copy(self, taken: Facts) -> Facts:
        """From the staging directory to the destination, hashed as it goes."""
        keeping, manifest = self.keeping, Manifest.of(taken["manifest"])
        place, kept = keeping.destination, keeping.travel.kept_in(taken, keeping.staging)
        async with classified(f"the copy to {place.path} failed"):
            with self._telling("copying", manifest) as told:
                return await killable.run(place.path, copying_set, told, kept, taken["staged"], place, manifest)

    async def verify(self, taken: Facts, copied: Facts) -> Facts:
        """Read all of it back, and restore the very bytes that were read. BackupFailed names the file that differs."""
        manifest, destination = Manifest.of(taken["manifest"]), self.keeping.destination
        async with classified("the copy can't be read back and restored"):
            with scratch_in(self.keeping.staging, manifest.id) as scratch:
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
                restored, restore_ms = await self.restored(scratch.path, manifest)
        compared = compare(manifest, restored) if restored else None
        if compared and compared.verdict:
            raise BackupFailed(compared.verdict, f"a throwaway server started and differs: {compared.detail}")
        verified = Verified(
            schema_version=3 if isinstance(manifest, ClusterManifest) else 2,
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
        keeping, manifest = self.keeping, Manifest.of(taken["manifest"])
        verified = Verified.model_validate(proven["verified"])
        async with classified("the verified copy can't be published"):
            published = await killable.run(
                keeping.destination.path,
                publishing_set,
                None,
                keeping.destination,
                manifest,
                verified,
                copied["partial"],
                keeping.rule,
                keeping.aside,
            )
        await self.discard(taken)
        return published

    async def recheck(self, published: Facts) -> Facts:
        """Reads one older set again, the one that waited longest: {"id", "verdict", "detail", "bytes"}. Never a failure
        of this backup, which is safe by now; what is found is remembered and told."""
        keeping = self.keeping
        at = Shelved(keeping.destination, self.target, keeping.aside)
        try:
            return await killable.run(keeping.destination.path, rechecking, None, at, published["id"])
        except (BackupFailed, OSError) as error:
            return {"id": "", "verdict": str(class_of(error)), "detail": str(error), "bytes": 0}

    def _telling(self, what: str, manifest: Manifest) -> AbstractContextManager[Callable[[int], None]]:
        file = progress_file(self.keeping.staging.root, self.target)
        return telling(file, what, manifest.id, self.keeping.destination.mode, manifest.bytes)

    async def discard(self, taken: Facts) -> None:
        """Nothing staged survives a run that has ended; what a crash leaves, the next run sweeps. What is queued is
        its drainer's to take away."""
        if taken and not taken.get("queued"):
            with suppress(OSError, RuntimeError, BackupFailed):
                await in_thread(discard, self.keeping.staging, self.target, taken["staged"])


@asynccontextmanager
async def classified(what: str) -> AsyncIterator[None]:
    """Trouble with files and sockets becomes a classified failure; anything else is left to the engine's retries."""
    try:
        yield
    except (OSError, TimeoutError) as error:
        text = error.strerror or type(error).__name__ if isinstance(error, OSError) else "timed out"
        raise BackupFailed(class_of(error), f"{what}: {text}") from error
