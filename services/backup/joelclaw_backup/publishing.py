"""From a staged dump to a set under its name. Blocking; the longer ones are generators for `files.patiently`."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

from joelclaw_backup.artefacts import now_ms, prune
from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.files import copying, open_directory, read_small, write_small
from joelclaw_backup.inspection import Inspected, inspecting, read_set
from joelclaw_backup.layout import DUMP, MANIFEST, VERIFIED, target_path
from joelclaw_backup.manifest import Manifest, Verified
from joelclaw_backup.partial import at_work_in, sweep
from joelclaw_backup.retention import Rule
from joelclaw_backup.shelf import Shelf, open_shelf
from joelclaw_backup.staging import staged


def dump_path(place: Destination, target: str, partial: str) -> Path:
    """For the programs that want a path."""
    return place.root.joinpath(*target_path(target), partial, DUMP)


def copying_set(
    staging: Destination, source: str, destination: Destination, manifest: Manifest
) -> Generator[None, None, str]:
    """Copies what is staged, with its manifest, into a fresh partial directory; its name."""
    with staged(staging, manifest.target, source) as fd, open_shelf(destination, manifest.target) as shelf:
        sweep(shelf.fd)
        partial = shelf.new_partial(manifest.id)
        with at_work_in(partial, shelf.fd) as target:
            for file in manifest.files:
                found = yield from copying(file.name, fd, target)
                if found != file:
                    raise BackupFailed(FailureClass.HASH_DIFFERS, f"{file.name} changed in the staging directory")
            write_small(MANIFEST, manifest.render(), target)
            os.fsync(target)
        return partial


def inspecting_copy(destination: Destination, manifest: Manifest, partial: str) -> Generator[None, None, Inspected]:
    """Reads a partial set back, all of it."""
    with open_shelf(destination, manifest.target, make=False) as shelf, at_work_in(partial, shelf.fd) as fd:
        found = yield from inspecting(fd, artefact=manifest.id, finished=False)
        return found


def publish_set(
    destination: Destination, manifest: Manifest, verified: Verified, partial: str, rule: Rule
) -> dict[str, Any]:
    """Gives the set its name, once, however often it is asked; then `latest`, then retention."""
    with open_shelf(destination, manifest.target, make=False) as shelf:
        if not shelf.holds(manifest.id):
            with at_work_in(partial, shelf.fd) as fd:
                with suppress(FileNotFoundError):
                    os.unlink(VERIFIED, dir_fd=fd)  # half of it, from a process that died here
                write_small(VERIFIED, verified.render(), fd)
                os.fsync(fd)
                shelf.publish(partial, manifest.id)
        _must_be(shelf, manifest, verified)
        shelf.point_latest(manifest.id)
        pruned, trouble = {}, ""
        try:
            pruned = prune(shelf, rule, now_ms())
        except (OSError, RuntimeError, ValueError) as error:
            # The new set is safe; old ones that stay are a finding, no failure.
            trouble = f"{type(error).__name__}: {error}"
        return {
            "id": manifest.id,
            "path": str(shelf.path / manifest.id),
            "pruned": sorted(pruned),
            "freedBytes": sum(pruned.values()),
            "retentionTrouble": trouble,
        }


def _must_be(shelf: Shelf, manifest: Manifest, verified: Verified) -> None:
    fd = open_directory(manifest.id, shelf.fd)
    try:
        read = read_set(fd, manifest.id)
        if read.findings or read.manifest != manifest or read_small(VERIFIED, fd) != verified.render():
            why = read.findings[0] if read.findings else f"{VERIFIED}: is another's"
            raise BackupFailed(FailureClass.HASH_DIFFERS, f"the published set is not the verified one: {why}")
    finally:
        os.close(fd)
