"""Whether a set still is what left the source: its manifest against every file, all bytes read again. Blocking.

| finding        | means                                                                        |
|----------------|------------------------------------------------------------------------------|
| file-missing   | the manifest lists it, or it is the manifest                                 |
| extra-file     | nobody listed it                                                             |
| other-version  | its records are of another version of this program                           |
| rdb-invalid    | the bytes are those of the manifest, and they are no sound dump               |
| hash-differs   | another size, other bytes, or a manifest that isn't spelt as it was written   |
| io-error …     | it can't be read                                                             |
"""

from __future__ import annotations

import errno
from collections.abc import Generator
from dataclasses import dataclass

from joelclaw_backup.failure import BackupFailed, FailureClass
from joelclaw_backup.files import copying, hashing, read_small
from joelclaw_backup.folder import Folder
from joelclaw_backup.layout import MANIFEST, RECORDS, VERIFIED, is_dump, is_file_name
from joelclaw_backup.manifest import Manifest, Verified
from joelclaw_backup.policy import class_of
from joelclaw_backup.rdb import RdbReader
from joelclaw_backup.records import FileRecord, ManifestInvalid, OtherVersion, sha256


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and with which file."""

    file: str
    verdict: FailureClass
    detail: str

    def __str__(self) -> str:
        return f"{self.file}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Inspected:
    """`manifest` is None when it could not be read; `bytes`: what was read again."""

    manifest: Manifest | None
    verified: Verified | None
    findings: tuple[Finding, ...]
    bytes: int = 0


def inspecting(
    at: Folder, *, artefact: str, finished: bool, into: Folder | None = None
) -> Generator[int, None, Inspected]:
    """Inspects the set in an open directory; yields how many bytes were read since the last time.

    finished: it must have been verified before. into: a directory that gets a copy of every file, of the very bytes
    that were hashed, so that what is restored afterwards is what was compared.
    """
    manifest, raw, wrong = _manifest(at, artefact)
    findings = [wrong] if wrong else []
    verified = None
    if finished:
        verified, problem = _verified(at, artefact, raw)
        findings += [problem] if problem else []
    if manifest:
        findings += _extra(at, manifest)
    total = 0
    for file in manifest.files if manifest else ():
        found = yield from _file(at, file, into)
        if found:
            findings.append(found)
        else:
            total += file.size
    return Inspected(manifest, verified, tuple(findings), total)


def read_set(at: Folder, artefact: str) -> Inspected:
    """The same without reading data: the records agree, every file is there in its size, and no other."""
    manifest, raw, wrong = _manifest(at, artefact)
    verified, problem = _verified(at, artefact, raw)
    findings = [found for found in (wrong, problem) if found]
    for file in manifest.files if manifest else ():
        try:
            wrong = _looked_at(at, file)
        except OSError as error:
            wrong = _unreadable(file.name, error)
        findings += [wrong] if wrong else []
    if manifest:
        findings += _extra(at, manifest)
    return Inspected(manifest, verified, tuple(findings))


def _extra(at: Folder, manifest: Manifest) -> list[Finding]:
    known = {*RECORDS, *(file.name for file in manifest.files)}
    try:
        there = at.names()
    except OSError as error:
        return [_unreadable("the directory", error)]
    return [Finding(name, FailureClass.EXTRA_FILE, "no manifest lists it") for name in sorted(set(there) - known)]


def _manifest(at: Folder, artefact: str) -> tuple[Manifest | None, bytes, Finding | None]:
    try:
        raw = read_small(MANIFEST, at)
        manifest = Manifest.read(raw)
    except OSError as error:
        return None, b"", _unreadable(MANIFEST, error)
    except ManifestInvalid as error:
        return None, raw, Finding(MANIFEST, _spoilt(error), str(error))
    if manifest.id != artefact or not manifest.files or not all(is_file_name(file.name) for file in manifest.files):
        return None, raw, Finding(MANIFEST, FailureClass.HASH_DIFFERS, f"it is the manifest of {manifest.id[:60]}")
    return manifest, raw, None


def _verified(at: Folder, artefact: str, manifest: bytes) -> tuple[Verified | None, Finding | None]:
    try:
        verified = Verified.read(read_small(VERIFIED, at))
    except OSError as error:
        return None, _unreadable(VERIFIED, error)
    except ManifestInvalid as error:
        return None, Finding(VERIFIED, _spoilt(error), str(error))
    if verified.id != artefact:
        return None, Finding(VERIFIED, FailureClass.HASH_DIFFERS, f"it is about {verified.id[:60]}")
    if manifest and verified.manifest_sha256 != sha256(manifest):  # one that can't be read is told already
        return None, Finding(MANIFEST, FailureClass.HASH_DIFFERS, "it is not the manifest that was verified")
    return verified, None


def _spoilt(error: ManifestInvalid) -> FailureClass:
    return FailureClass.OTHER_VERSION if isinstance(error, OtherVersion) else FailureClass.HASH_DIFFERS


def _file(at: Folder, file: FileRecord, into: Folder | None) -> Generator[int, None, Finding | None]:
    reader = RdbReader() if is_dump(file.name) else None
    also = reader.feed if reader else None
    try:
        if wrong := _looked_at(at, file):
            return wrong
        found = yield from (
            hashing(file.name, at, also=also) if into is None else copying(file.name, at, into, also=also)
        )
    except OSError as error:
        if into is not None and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # no reading says this: it is our own disk, and nothing about the set
        return _unreadable(file.name, error)
    if found != file:
        return Finding(file.name, FailureClass.HASH_DIFFERS, f"sha256 is {found.sha256}, {file.sha256} left the source")
    try:
        if reader:
            reader.frame()
    except BackupFailed as error:  # a hash proves that it is what the manifest says, not that this is a dump
        return Finding(file.name, error.failure_class, str(error))
    return None


def _looked_at(at: Folder, file: FileRecord) -> Finding | None:
    seen = at.see(file.name)
    if not seen.is_file:
        return Finding(file.name, FailureClass.HASH_DIFFERS, "is no plain file")
    if seen.size != file.size:
        why = f"has {seen.size} bytes, {file.size} left the source"
        return Finding(file.name, FailureClass.HASH_DIFFERS, why)
    return None


def _unreadable(name: str, error: OSError) -> Finding:
    if isinstance(error, FileNotFoundError):
        return Finding(name, FailureClass.FILE_MISSING, "is missing")
    return Finding(name, class_of(error), f"can't be read: {error.strerror or error}")
