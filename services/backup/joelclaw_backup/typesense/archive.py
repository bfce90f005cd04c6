"""A snapshot's files as one file, `snapshot.tar`, each hashed on its way; and out of it again. Blocking generators.

A set's files have plain names and lie side by side; a snapshot is a tree. So it travels as one archive, in a form that
`tar -x` reads, and the manifest lists what is inside.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from joelclaw_backup.destination import Destination
from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.layout import SNAPSHOT
from joelclaw_backup.records import FileRecord
from joelclaw_backup.staging import StagedDump
from joelclaw_backup.typesense.place import Member, Place
from joelclaw_backup.typesense.verdict import LIST, Listed, Lying, judge

BLOCK = 1024 * 1024
SMALL = 1024 * 1024
"""So much of a small file that says something is remembered for the verdict."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What was staged. staged: its directory; file: the archive; members: what is in it."""

    staged: str
    file: FileRecord
    members: tuple[FileRecord, ...]
    listed: Listed


def packing(
    place: Place, root: str, name: str, staging: Destination, target: str, artefact: str
) -> Generator[int, None, Packed]:
    """Archives a snapshot into a fresh staging directory, and judges what was archived. BackupFailed."""
    staged = StagedDump.begin(staging, target, artefact, SNAPSHOT)
    try:
        members, lying = [], {}
        for member in place.members(root, name):
            record, seen = yield from _add(staged, member)
            members.append(record)
            lying[member.path] = seen
        listed = judge(lying)
        staged.write(bytes(2 * tarfile.BLOCKSIZE))
        return Packed(staged.partial, staged.finish(), tuple(members), listed)
    finally:
        staged.close()


def _add(staged: StagedDump, member: Member) -> Generator[int, None, tuple[FileRecord, Lying]]:
    header = tarfile.TarInfo(member.path)
    header.size, header.mode = member.size, 0o600
    staged.write(header.tobuf(tarfile.GNU_FORMAT))
    digest, left, end, text = hashlib.sha256(), member.size, b"", b""
    while left:
        block = member.file.read(min(BLOCK, left))
        if not block:
            told = f"{member.path} ended {left} bytes early"
            raise BackupFailed(FailureClass.SNAPSHOT_INVALID, f"the snapshot is not whole: {told}")
        staged.write(block)
        digest.update(block)
        left, end = left - len(block), (end + block)[-8:]
        if member.path.endswith((LIST, "/CURRENT")) and len(text) < SMALL:
            text += block
        yield len(block)
    staged.write(bytes(-member.size % tarfile.BLOCKSIZE))
    record = FileRecord(name=member.path, size=member.size, sha256=digest.hexdigest())
    return record, Lying(member.size, end, text)


def unpack(archive: Path, into: Path, members: Sequence[FileRecord]) -> None:
    """The listed files, and no other, below a directory that is ours. BackupFailed names the one that differs."""
    wanted = {member.name: member for member in members}
    with tarfile.open(archive, "r:") as opened:
        for entry in opened:
            member = wanted.pop(entry.name, None)
            file = opened.extractfile(entry) if entry.isreg() else None
            if member is None or file is None or not _is_below(entry.name):
                raise BackupFailed(
                    FailureClass.HASH_DIFFERS, f"{archive.name} holds {entry.name[:100]!r}, which is not listed"
                )
            target = into / entry.name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _write(file, target) != member.sha256:
                raise BackupFailed(
                    FailureClass.HASH_DIFFERS, f"{entry.name} in {archive.name} is not what left the source"
                )
    if wanted:
        raise BackupFailed(FailureClass.FILE_MISSING, f"{min(wanted)} is missing in {archive.name}")


def _write(file: IO[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("xb") as out:
        while block := file.read(BLOCK):
            digest.update(block)
            out.write(block)
        os.fchmod(out.fileno(), 0o600)
    return digest.hexdigest()


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
