"""From a staged dump to a set under its name. Blocking generators, for `killable.run`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from joelclaw_backup import ledger
from joelclaw_backup.artefacts import newest_verified, read_artefacts, repoint_latest
from joelclaw_backup.destination import Destination, checking
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.fetch import Scratch, fetching
from joelclaw_backup.files import copying, going_on, read_small, write_small
from joelclaw_backup.inspection import Inspected, read_set
from joelclaw_backup.layout import MANIFEST, VERIFIED, is_partial
from joelclaw_backup.manifest import Manifest, Verified
from joelclaw_backup.partial import StillWritten, at_work_in, sweep
from joelclaw_backup.pruning import pruning
from joelclaw_backup.retention import Rule
from joelclaw_backup.shelf import Shelf, open_shelf
from joelclaw_backup.space import require_room
from joelclaw_backup.staging import staged


def newest_set(destination: Destination, target: str, aside: Path) -> Generator[None, None, dict[str, Any]]:
    """{"free", "parent", "parentBytes"}: whether the destination can be used, and what is newest there."""
    told: dict[str, Any] = yield from checking(destination)
    try:
        with open_shelf(destination, target, make=False) as shelf:
            newest = newest_verified(read_artefacts(shelf, aside))
    except FileNotFoundError:
        newest = None
    size = newest.manifest.bytes if newest and newest.manifest else 0
    return {**told, "parent": newest.id if newest else "", "parentBytes": size}


def copying_set(
    staging: Destination, source: str, destination: Destination, manifest: Manifest
) -> Generator[int | None, None, dict[str, Any]]:
    """Copies what is staged, with its manifest, into a partial directory: {"partial": its name, "sentBytes",
    "keptBytes"}. One that a broken attempt at the same set left is gone on with, after its bytes were compared. Room is
    asked for first."""
    with staged(staging, manifest.target, source) as ours, open_shelf(destination, manifest.target) as shelf:
        if shelf.holds(manifest.id):  # it got its name, and nobody heard of it
            return {"partial": "", "sentBytes": 0, "keptBytes": manifest.bytes}
        begun = _begun(shelf, manifest.id)
        sweep(shelf.folder, spare=begun)
        there = _there(shelf, begun, manifest) if begun else {}
        needed = max(0, manifest.bytes - sum(there.values()))
        require_room(shelf.folder, needed, destination.reserve, f"the copy at {destination.path}")
        partial, kept = begun or shelf.new_partial(manifest.id), 0
        with at_work_in(partial, shelf.folder) as target:
            for file in manifest.files:
                if file.name in there:
                    found, same = yield from going_on(file.name, ours, target)
                    kept += same
                else:
                    found = yield from copying(file.name, ours, target, afresh=False)
                if found != file:
                    raise BackupFailed(FailureClass.HASH_DIFFERS, f"{file.name} changed in the staging directory")
            for name in (MANIFEST, VERIFIED):  # half of one, from a process that died here
                with suppress(FileNotFoundError):
                    target.unlink(name)
            write_small(MANIFEST, manifest.render(), target)
            target.sync()
        return {"partial": partial, "sentBytes": manifest.bytes - kept, "keptBytes": kept}


def _begun(shelf: Shelf, artefact: str) -> str:
    """A partial directory of this very set that nobody writes to; empty if there is none."""
    for name in sorted(shelf.folder.names()):
        if is_partial(name) and name.startswith(f"{artefact}."):
            with suppress(StillWritten, OSError), at_work_in(name, shelf.folder):
                return name
    return ""


def _there(shelf: Shelf, partial: str, manifest: Manifest) -> dict[str, int]:
    """Bytes of each file that lies there already."""
    with closing(shelf.folder.folder(partial)) as folder:
        names = set(folder.names())
        return {file.name: folder.see(file.name).size for file in manifest.files if file.name in names}


def fetching_copy(
    destination: Destination, manifest: Manifest, partial: str, scratch: Scratch
) -> Generator[int | None, None, Inspected]:
    """Reads a partial set back, all of it, into a scratch directory: what is restored is what was compared."""
    where = partial or manifest.id
    with open_shelf(destination, manifest.target, make=False) as shelf, at_work_in(where, shelf.folder) as folder:
        return (yield from fetching(folder, manifest.id, scratch, manifest.bytes, finished=False))


def publishing_set(
    destination: Destination, manifest: Manifest, verified: Verified, partial: str, rule: Rule, aside: Path
) -> Generator[None, None, dict[str, Any]]:
    """Gives the set its name, once, however often it is asked; then `latest`, then retention."""
    with open_shelf(destination, manifest.target, make=False) as shelf:
        if not shelf.holds(manifest.id):
            with at_work_in(partial, shelf.folder) as folder:
                with suppress(FileNotFoundError):
                    folder.unlink(VERIFIED)  # half of it, from a process that died here
                write_small(VERIFIED, verified.render(), folder)
                folder.sync()
                ledger.enter(aside, verified)
                shelf.publish(partial, manifest.id)
        yield
        _must_be(shelf, manifest, verified if partial else None)
        repoint_latest(shelf, aside)
        told: dict[str, Any] = {"pruned": [], "freedBytes": 0}
        trouble = ""
        try:
            told = yield from pruning(shelf, rule, aside, spare=manifest.id)
        except (OSError, RuntimeError, ValueError, BackupFailed) as error:
            # The new set is safe; old ones that stay are a finding, no failure.
            trouble = f"{type(error).__name__}: {error}"
        return {
            "id": manifest.id,
            "path": str(shelf.path / manifest.id),
            "pruned": [p["id"] for p in told["pruned"]],
            "freedBytes": told["freedBytes"],
            "retentionTrouble": trouble,
        }


def _must_be(shelf: Shelf, manifest: Manifest, verified: Verified | None) -> None:
    """verified: None for a set that had its name before this proof: then the earlier one stands."""
    with closing(shelf.folder.folder(manifest.id)) as folder:
        read = read_set(folder, manifest.id)
        same = verified is None or read_small(VERIFIED, folder) == verified.render()
        if read.findings or read.manifest != manifest or not same:
            why = read.findings[0] if read.findings else f"{VERIFIED}: is another's"
            raise BackupFailed(FailureClass.HASH_DIFFERS, f"the published set is not the verified one: {why}")
