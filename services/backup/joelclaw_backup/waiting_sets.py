"""The queue: sets that lie on this machine's own disk since no way to the NAS was open. Blocking.

`<state>/backup-queue/backups/<target>/<id>/` holds the data, `manifest.json`, and `queued.json` (since when, and how
often it was tried in vain). It is a staged dump under another name, moved there in one step: no byte is copied. Nothing
here is proven, and no list of backups knows it. Only the drainer takes away what is in it, after it was verified at its
destination; at the byte cap a new set is refused, and nothing is dropped.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from joelclaw_backup.clock import now_ms
from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.files import read_small, replace_small, write_small
from joelclaw_backup.folder import Folder
from joelclaw_backup.layout import MANIFEST, QUEUED, is_artefact_id, partial_name
from joelclaw_backup.manifest import Manifest
from joelclaw_backup.partial import at_work_in, remove, sweep
from joelclaw_backup.records import ManifestInvalid, Record, iso, ms_of
from joelclaw_backup.shelf import open_shelf
from joelclaw_backup.staging import staged

TARGETS = ("redis", "typesense")


class Queued(Record):
    """Why it waits. tries: how often the drainer tried, last at `tried_at`; failure, detail: how that ended last.
    tries_of_data: how many of the last tries in a row failed by the data themselves."""

    id: str
    queued_at: str
    tries: int = 0
    tries_of_data: int = 0
    tried_at: str = ""
    failure: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WaitingSet:
    """One set in the queue. `manifest` is None where it can't be read: then only a person can help."""

    target: str
    id: str
    bytes: int
    record: Queued
    manifest: Manifest | None

    @property
    def since_ms(self) -> int:
        return ms_of(self.record.queued_at)


def put(staging: Destination, partial: str, queue: Destination, manifest: Manifest, cap: int) -> dict[str, Any]:
    """Moves what is staged into the queue, whole: {"queuedAt", "bytes", "queuedBytes"}. BackupFailed
    (byte-cap-reached) where it would grow beyond `cap`; OSError. Asked again it does nothing."""
    target = manifest.target
    with open_shelf(queue, target) as shelf:
        sweep(shelf.folder)
        if not shelf.holds(manifest.id):
            there = sum(entry.bytes for entry in waiting(queue))
            if there + manifest.bytes > cap:
                told = f"the queue at {queue.root} holds {there:,} bytes; {manifest.bytes:,} more are over its cap"
                raise BackupFailed(FailureClass.BYTE_CAP_REACHED, f"{told} of {cap:,}; nothing in it was dropped")
            record = Queued(id=manifest.id, queued_at=iso(now_ms()))
            with staged(staging, target, partial) as folder, open_shelf(staging, target) as staging_shelf:
                for name, raw in ((MANIFEST, manifest.render()), (QUEUED, record.render())):
                    with suppress(FileNotFoundError):
                        folder.unlink(name)
                    write_small(name, raw, folder)
                folder.sync()
                staging_shelf.folder.rename(partial, manifest.id, shelf.folder)
                shelf.folder.sync()
                staging_shelf.folder.sync()
        with closing(shelf.folder.folder(manifest.id)) as folder:
            at = _record(folder, manifest.id).queued_at
    return {"queuedAt": at, "bytes": manifest.bytes, "queuedBytes": sum(entry.bytes for entry in waiting(queue))}


def waiting(queue: Destination) -> list[WaitingSet]:
    """All that waits, the oldest first. Nothing is made where nothing was ever queued."""
    if not queue.root.exists():
        return []
    found = [entry for target in TARGETS for entry in _of_target(queue, target)]
    return sorted(found, key=lambda entry: (entry.since_ms, entry.id))


def note(queue: Destination, entry: WaitingSet, failure: str, detail: str, *, of_data: bool = False) -> None:
    """Remembers that it was tried in vain; of_data: no way was at fault."""
    before = entry.record
    changed = {"tries": before.tries + 1, "tries_of_data": before.tries_of_data + 1 if of_data else 0}
    record = before.model_copy(
        update={**changed, "tried_at": iso(now_ms()), "failure": failure, "detail": detail[:500]}
    )
    with open_shelf(queue, entry.target) as shelf, closing(shelf.folder.folder(entry.id)) as folder:
        replace_small(QUEUED, record.render(), folder, by_way_of=shelf.folder)


def retry_soon(queue: Destination, entry: WaitingSet) -> None:
    """The drainer's next tick tries it, whatever kept it; what was found of it and how often stays known."""
    with open_shelf(queue, entry.target) as shelf, closing(shelf.folder.folder(entry.id)) as folder:
        record = entry.record.model_copy(update={"tried_at": ""})
        replace_small(QUEUED, record.render(), folder, by_way_of=shelf.folder)


def take_away(queue: Destination, target: str, artefact: str) -> None:
    """Removes a set that is verified elsewhere; one that is gone already is no matter. It loses its name first: what a
    crash leaves of it waits for nobody, and is swept with the next set that comes."""
    with (
        suppress(FileNotFoundError),
        open_shelf(queue, target, make=False) as shelf,
        at_work_in(artefact, shelf.folder) as folder,
    ):
        partial = partial_name(artefact, secrets.token_hex(4))
        shelf.folder.rename(artefact, partial)
        shelf.folder.sync()
        remove(partial, folder, shelf.folder)
        shelf.folder.sync()


def _of_target(queue: Destination, target: str) -> Iterator[WaitingSet]:
    try:
        with open_shelf(queue, target, make=False) as shelf:
            for name in shelf.artefacts():
                with suppress(FileNotFoundError), closing(shelf.folder.folder(name)) as folder:
                    yield _read(target, name, folder)
    except FileNotFoundError:
        return


def _read(target: str, name: str, folder: Folder) -> WaitingSet:
    size = sum(folder.see(entry).size for entry in folder.names())
    try:
        manifest: Manifest | None = Manifest.read(read_small(MANIFEST, folder))
    except (OSError, ManifestInvalid):
        manifest = None
    if manifest is not None and (manifest.id != name or manifest.target != target or not is_artefact_id(name)):
        manifest = None
    return WaitingSet(target, name, manifest.bytes if manifest else size, _record(folder, name), manifest)


def _record(folder: Folder, artefact: str) -> Queued:
    """What is written of it; where that can't be read, it waits since its directory was made."""
    try:
        record = Queued.model_validate_json(read_small(QUEUED, folder))  # also one from before a field was added
        ms_of(record.queued_at)
        if record.tried_at:
            ms_of(record.tried_at)
        return record
    except (OSError, ValueError):
        return Queued(id=artefact, queued_at=iso(int(folder.changed() * 1000)), failure="unreadable")
