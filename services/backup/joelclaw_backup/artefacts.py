"""What is on a shelf: the newest verified set is the one truth about backups. Blocking: run it in threads."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass

from joelclaw_backup.files import open_directory
from joelclaw_backup.inspection import Inspected, read_set
from joelclaw_backup.layout import VERIFIED, is_artefact_id, partial_name
from joelclaw_backup.manifest import Manifest, Verified, ms_of
from joelclaw_backup.partial import at_work_in, remove
from joelclaw_backup.retention import Kept, Rule, keep
from joelclaw_backup.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Artefact:
    """One set. `problem` is empty for a verified one; only such a one has `verified`."""

    id: str
    path: str
    manifest: Manifest | None
    verified: Verified | None
    problem: str

    @property
    def verified_ms(self) -> int:
        return ms_of(self.verified.verified_at) if self.verified and not self.problem else 0


def read_artefacts(shelf: Shelf) -> list[Artefact]:
    """Every set on the shelf, newest verified first, then those that are not."""
    found = [_read(shelf, name) for name in shelf.artefacts()]
    return sorted(found, key=lambda a: (a.verified_ms, a.id), reverse=True)


def _read(shelf: Shelf, name: str) -> Artefact:
    path = str(shelf.path / name)
    try:
        fd = open_directory(name, shelf.fd)
    except OSError as error:
        return Artefact(name, path, None, None, f"can't be opened: {error.strerror or error}")
    try:
        read: Inspected = read_set(fd, name)
    finally:
        os.close(fd)
    return Artefact(name, path, read.manifest, read.verified, "; ".join(map(str, read.findings)))


def prune(shelf: Shelf, rule: Rule, now_ms: int) -> dict[str, int]:
    """Remove the verified sets that the rule lets go: bytes freed by artefact. Each loses its name first, whole."""
    kept = [
        Kept(a.id, a.verified_ms, a.manifest.bytes)
        for a in read_artefacts(shelf)
        if a.manifest is not None and a.verified_ms
    ]
    freed = {}
    for old in keep(kept, now_ms, rule).prune:
        partial = partial_name(old.id, secrets.token_hex(4))
        os.rename(old.id, partial, src_dir_fd=shelf.fd, dst_dir_fd=shelf.fd)
        os.fsync(shelf.fd)
        with at_work_in(partial, shelf.fd) as fd:
            os.unlink(VERIFIED, dir_fd=fd)
            freed[old.id] = remove(partial, fd, shelf.fd)
    return freed


def newest_verified(artefacts: list[Artefact]) -> Artefact | None:
    return next((a for a in artefacts if a.verified_ms), None)


def find(shelf: Shelf, artefact: str) -> str:
    """The id that a person means: an id, or `latest`. FileNotFoundError."""
    name = shelf.latest() if artefact == "latest" else artefact
    if not is_artefact_id(name) or not shelf.holds(name):
        raise FileNotFoundError(artefact)
    return name


def now_ms() -> int:
    return int(time.time() * 1000)
