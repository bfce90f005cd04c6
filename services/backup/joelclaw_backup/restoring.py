"""A set's files put where a person wants them. A blocking generator, for `killable.run`.

A directory that is not empty is refused unless forced. Each file is hashed on its way and lies under another name until
its hash was right; one that is there already with the right hash is not sent again, and one that came in part is gone
on with, where its whole is then right. At the end all is read once more.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from joelclaw_backup.artefacts import read_artefact
from joelclaw_backup.checks import Check
from joelclaw_backup.clock import now_ms
from joelclaw_backup.failure import BackupFailed, DamagedSet, FailureClass
from joelclaw_backup.files import adding, copying, hashing, open_directory
from joelclaw_backup.folder import Folder
from joelclaw_backup.looking import Shelved, opened, remember_look
from joelclaw_backup.records import FileRecord, iso
from joelclaw_backup.space import require_room

COMING = ".coming"


def restoring_set(at: Shelved, artefact: str, into: Path, force: bool) -> Generator[int | None, None, dict[str, Any]]:
    """{"id", "into", "files", "bytes", "sentBytes", "standing"}. BackupFailed, classified."""
    with opened(at, artefact) as (shelf, source):
        told = read_artefact(shelf, artefact, at.aside)
        if told.manifest is None:
            raise BackupFailed(
                FailureClass.HASH_DIFFERS, f"{artefact} has no manifest that can be read: {told.problem}"
            )
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(open_directory(into)) as target:
            if target.lock() is False:
                why = f"another restore into {into} is at work; wait for its end, or name another directory"
                raise BackupFailed(FailureClass.RESOURCE_UNAVAILABLE, why)
            try:
                sent = yield from _restore(source, target, told.manifest.files, into, force)
            except _Differs as error:
                kept = "it counts no more"
                try:
                    remember_look(at, shelf, source, artefact, error.check)
                except OSError as lost:
                    kept = f"that can't be remembered: {lost}"
                why = f"{artefact} is damaged: {error.check.detail}; it was not put into {into}; {kept}"
                raise DamagedSet(FailureClass.HASH_DIFFERS, why) from error
    return {
        "id": artefact,
        "into": str(into),
        "files": [f.model_dump() for f in told.manifest.files],
        "bytes": told.manifest.bytes,
        "sentBytes": sent,
        "standing": told.standing,
    }


class _Differs(Exception):
    """A file of the set itself, read afresh, is not what left the source."""

    def __init__(self, found: FileRecord, file: FileRecord) -> None:
        detail = f"{file.name}: it is not what left the source"
        self.check = Check.model_validate(
            {
                "at": iso(now_ms()),
                "by": "restore",
                "verdict": FailureClass.HASH_DIFFERS.value,
                "detail": detail,
                "rereadBytes": found.size,
            }
        )
        super().__init__(detail)


def _restore(
    source: Folder, target: Folder, files: tuple[FileRecord, ...], into: Path, force: bool
) -> Generator[int | None, None, int]:
    wanted = {name for file in files for name in (file.name, file.name + COMING)}
    strangers = sorted(set(target.names()) - wanted)
    missing = []
    for file in files:
        if not (yield from _is_there(file, target)):
            missing.append(file)
    wrong = [file.name for file in missing if _exists(file.name, target)]
    if (strangers or wrong) and not force:
        why = f"{into} is not empty ({', '.join([*wrong, *strangers][:3])})"
        raise BackupFailed(FailureClass.TARGET_NOT_EMPTY, f"{why}; nothing was written; use --force to restore into it")
    needed = sum(file.size - _begun(file, target) for file in missing)  # what came in part lies there already
    require_room(target, needed, 0, f"the restored copy in {into}")
    sent = 0
    for file in missing:
        known = _begun(file, target)
        found = (yield from adding(file.name, source, target, file.name + COMING, known)) if known else None
        sent += found.size - known if found else 0
        if found is None or not _is_it(found, file):
            with suppress(FileNotFoundError):
                target.unlink(file.name + COMING)
            found = yield from copying(file.name, source, target, file.name + COMING)
            sent += found.size
        if not _is_it(found, file):
            target.unlink(file.name + COMING)
            raise _Differs(found, file)
        target.rename(file.name + COMING, file.name)
        target.sync()
    for file in missing:
        if not (yield from _is_there(file, target)):
            raise BackupFailed(FailureClass.HASH_DIFFERS, f"{into}/{file.name} reads back as something else")
    return sent


def _begun(file: FileRecord, target: Folder) -> int:
    """How much of it an earlier restore brought, by its size; more than all of it is nothing of ours."""
    try:
        seen = target.see(file.name + COMING)
    except FileNotFoundError:
        return 0
    return seen.size if seen.is_file and seen.size <= file.size else 0


def _is_it(found: FileRecord, file: FileRecord) -> bool:
    return (found.size, found.sha256) == (file.size, file.sha256)


def _is_there(file: FileRecord, target: Folder) -> Generator[int | None, None, bool]:
    try:
        return (yield from hashing(file.name, target)) == file
    except FileNotFoundError:
        return False


def _exists(name: str, at: Folder) -> bool:
    try:
        at.see(name)
    except FileNotFoundError:
        return False
    return True
