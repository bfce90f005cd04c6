"""One snapshot call, and what it left: into the primary root, then into the fallback. The files are the judge.

| the call                          | then                                                                         |
|-----------------------------------|------------------------------------------------------------------------------|
| answered, whatever it said        | its directory is looked at: whole files are a snapshot, else it is a failure  |
| gave no answer in time            | wedged: nothing more is asked of this server, and its lease stands            |
| failed, and there is another root | a fresh directory in that one; both failing is one error that names both      |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from joelclaw_backup import killable
from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.policy import needs_a_person
from joelclaw_backup.typesense.api import Typesense, require_ok
from joelclaw_backup.typesense.archive import Packed, packing
from joelclaw_backup.typesense.lease import only_call
from joelclaw_backup.typesense.place import Place, fresh_name
from joelclaw_bus import Store


@dataclass(frozen=True, slots=True)
class Made:
    """A whole snapshot, staged. name: its directory below `root`, which is still there."""

    root: str
    name: str
    packed: Packed


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Makes snapshots of one server."""

    store: Store
    server: Typesense
    place: Place
    roots: tuple[str, ...]
    staging: Destination
    target: str
    seconds: float

    async def make(self, artefact: str) -> Made:
        """BackupFailed, classified; a retry may help where it may help at one of the roots."""
        failures: list[tuple[str, BackupFailed]] = []
        for root in self.roots:
            try:
                return await self._make(artefact, root)
            except BackupFailed as failed:
                failures.append((root, failed))
                if failed.failure_class in (FailureClass.WEDGED, FailureClass.RESOURCE_UNAVAILABLE):
                    break  # one call in flight: no second one while the first may be at work
        raise _all(failures)

    async def _make(self, artefact: str, root: str) -> Made:
        name = fresh_name(artefact)
        path = f"{root}/{name}"
        async with only_call(self.store, self.server.url, self.seconds, f"a snapshot into {path}"):
            status = await _called(self.server, path, self.seconds)
        try:
            packed = await self._staged(artefact, root, name)
        except BackupFailed as failed:
            require_ok(self.server.url, "/operations/snapshot", status, b"and left no whole snapshot: " + _raw(failed))
            wrong = await anyio.to_thread.run_sync(self.place.trouble, root)
            if wrong and failed.failure_class in (FailureClass.NO_SNAPSHOT_FILES, FailureClass.SNAPSHOT_INVALID):
                raise BackupFailed(
                    wrong.failure_class, f"{failed} ({wrong}), though the server said {status}"
                ) from failed
            raise BackupFailed(failed.failure_class, f"{failed}, though the server said {status}") from failed
        return Made(root, name, packed)

    async def _staged(self, artefact: str, root: str, name: str) -> Packed:
        words: tuple[Any, ...] = (self.place, root, name, self.staging, self.target, artefact)
        try:
            return await killable.run(Path(root), packing, None, *words)
        except TimeoutError as error:
            raise BackupFailed(FailureClass.TIMEOUT, f"the snapshot {root}/{name} can't be staged: {error}") from error


async def _called(server: Typesense, path: str, seconds: float) -> int:
    with anyio.move_on_after(seconds + 5):
        return await anyio.to_thread.run_sync(server.snapshot, path, seconds, abandon_on_cancel=True)
    raise BackupFailed(FailureClass.WEDGED, f"Typesense {server.url} is wedged: it drips its answer into {path}")


def _raw(failed: BackupFailed) -> bytes:
    return str(failed).encode()


def _all(failures: list[tuple[str, BackupFailed]]) -> BackupFailed:
    """One error that names every root that was tried; of a class that a retry can help with, if one of them is."""
    hopeful = [failed for _, failed in failures if not needs_a_person(failed.failure_class)]
    kind = (hopeful or [failed for _, failed in failures])[-1].failure_class
    told = "; ".join(f"into {root}: {failed}" for root, failed in failures)
    return BackupFailed(kind, f"no snapshot of Typesense could be made: {told}")
