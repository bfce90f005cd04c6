"""A Typesense backup's `take`, and its `clean` once the copy is verified. The rest is in `steps.py`.

What the server holds is read through its API before the snapshot is made: at the same index of its raft, where nothing
is written meanwhile (docs/decisions/0091). Where something is, it is read again after, and the collections that stood
still between the two are known exactly. For the others another snapshot is made, up to `CALLS` in all; those that moved
even then are named.
"""

from __future__ import annotations

import platform
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import anyio
import anyio.to_thread

from joelclaw_backup import killable
from joelclaw_backup.clock import now_ms
from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.layout import artefact_id
from joelclaw_backup.manifest import Manifest, TypesenseManifest
from joelclaw_backup.parts import Collected, Engine, Snapped
from joelclaw_backup.records import iso, plain
from joelclaw_backup.staging import discard
from joelclaw_backup.steps import Facts, Steps, classified
from joelclaw_backup.threads import in_thread
from joelclaw_backup.typesense.api import Status, Typesense
from joelclaw_backup.typesense.content import collecting, moved_between, steady
from joelclaw_backup.typesense.place import LocalPlace, Place
from joelclaw_backup.typesense.pod import PodDisk
from joelclaw_backup.typesense.restore import restored_from
from joelclaw_backup.typesense.settings import TARGET, TypesenseSettings
from joelclaw_backup.typesense.snapshot import Made, Snapshots
from joelclaw_bus import Store

CALLS = 3


@dataclass(frozen=True)
class TypesenseBackup(Steps):
    """The steps over one server and one destination."""

    settings: TypesenseSettings
    store: Store
    target: ClassVar[str] = TARGET

    @property
    def keeping(self) -> TypesenseSettings:
        return self.settings

    def going_to(self, place: Destination) -> TypesenseBackup:
        return replace(self, settings=replace(self.settings, destination=place))

    @property
    def place(self) -> Place:
        return PodDisk(self.settings.pod) if self.settings.pod else LocalPlace()

    @property
    def server(self) -> Typesense:
        return Typesense(self.settings.url, self.settings.key)

    @property
    def snapshots(self) -> Snapshots:
        s = self.settings
        return Snapshots(self.store, self.server, self.place, s.roots, s.staging, TARGET, s.seconds)

    async def take(self, run: str, round: int, requested_by: str, at_ms: int) -> Facts:
        artefact, settings = artefact_id(run, round, at_ms), self.settings
        there = await self.newest()
        status = await in_thread(self.server.status)
        began = now_ms()
        async with classified("the snapshot can't be put into the staging directory"):
            made, held, moving, calls = await self._still(artefact)
        taken, listed = made.packed, made.packed.listed
        manifest = TypesenseManifest(
            id=artefact,
            target=TARGET,
            run=run,
            round=round,
            requested_by=requested_by,
            parent=there["parent"],
            source=_engine(settings.url, status),
            taken=Snapped(
                mode="k8s" if settings.pod else "local",
                root=made.root,
                snapshot=made.name,
                term=listed.term,
                index=listed.index,
                calls=calls,
                started_at=iso(began),
                ended_at=iso(now_ms()),
            ),
            witness=held,
            moving=moving,
            members=taken.members,
            tools={"joelclaw-backup": version("joelclaw-backup"), "python": platform.python_version()},
            files=(taken.file,),
        )
        return {"staged": taken.staged, "manifest": plain(manifest)}

    async def _still(self, artefact: str) -> tuple[Made, Collected, tuple[str, ...], int]:
        """(a snapshot, what the server held at it, what moved meanwhile, calls made)."""
        before = await self._held()
        for call in range(1, CALLS + 1):
            made = await self.snapshots.make(artefact)
            if before.index == made.packed.listed.index:
                return made, before, (), call
            after = await self._held()
            moving = moved_between(before, after)
            if not moving or call == CALLS:
                return made, steady(before, after), moving, call
            before = after
            with suppress(OSError, RuntimeError, BackupFailed):  # another one is made: this one is in nobody's way
                await in_thread(discard, self.settings.staging, TARGET, made.packed.staged)
        raise AssertionError("the last call returns")

    async def _held(self) -> Collected:
        try:
            return await killable.run(Path(self.settings.url), collecting, None, self.server)
        except TimeoutError as error:
            told = f"Typesense {self.settings.url} fell silent while it was read: {error}"
            raise BackupFailed(FailureClass.TIMEOUT, told) from error

    async def restored(self, folder: Path, manifest: Manifest) -> tuple[Collected | None, int | None]:
        if not self.settings.server or not isinstance(manifest, TypesenseManifest):
            return None, None
        return await restored_from(folder, manifest, Path(self.settings.server))

    async def clean(self, taken: Facts) -> Facts:
        """The snapshot that was copied goes; of older ones `keep` stay. Only now: the copy is verified and has its
        name. {"sourceRemoved", "sourceTrouble"}: a source that can't be cleaned is told, and fails no safe backup."""
        manifest = Manifest.of(taken["manifest"])
        assert isinstance(manifest, TypesenseManifest)
        return await anyio.to_thread.run_sync(self._cleaned, manifest)

    def _cleaned(self, manifest: TypesenseManifest) -> Facts:
        removed, trouble = [], ""
        for root in self.settings.roots:
            try:
                others = [name for name in self.place.names(root) if name != manifest.taken.snapshot]
                doomed = others[: -self.settings.keep]
                if root == manifest.taken.root:
                    doomed.append(manifest.taken.snapshot)
                for name in doomed:
                    self.place.remove(root, name)
                    removed.append(f"{root}/{name}")
            except BackupFailed as failed:
                trouble = trouble or str(failed)
        return {"sourceRemoved": removed, "sourceTrouble": trouble}


def _engine(url: str, status: Status) -> Engine:
    return Engine(address=url, version=status.version, role=status.role)
