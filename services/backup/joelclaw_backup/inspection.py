"""Whether a set still is what left the source: its manifest against every file, all bytes read again. Blocking.

| finding        | means                                                                        |
|----------------|------------------------------------------------------------------------------|
| file-missing   | the manifest lists it, or it is the manifest                                 |
| extra-file     | nobody listed it                                                             |
| hash-differs   | another size, other bytes, or a manifest that isn't spelt as it was written   |
| io-error …     | it can't be read                                                             |
"""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass

from joelclaw_backup.failure import FailureClass
from joelclaw_backup.files import hashing, read_small
from joelclaw_backup.layout import MANIFEST, VERIFIED, is_file_name
from joelclaw_backup.manifest import FileRecord, Manifest, ManifestInvalid, Verified, sha256
from joelclaw_backup.policy import class_of


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


def inspecting(at: int, *, artefact: str, finished: bool) -> Generator[None, None, Inspected]:
    """Inspects the set in an open directory. finished: it must have been verified before."""
    manifest, raw, wrong = _manifest(at, artefact)
    findings = [wrong] if wrong else []
    verified = None
    if finished:
        verified, problem = _verified(at, artefact, sha256(raw))
        findings += [problem] if problem else []
    listed = {file.name for file in manifest.files} if manifest else set()
    known = listed | {MANIFEST, VERIFIED}
    if manifest:
        extra = sorted(set(os.listdir(at)) - known)
        findings += [Finding(name, FailureClass.EXTRA_FILE, "no manifest lists it") for name in extra]
    total = 0
    for file in manifest.files if manifest else ():
        found = yield from _file(at, file)
        if found:
            findings.append(found)
        else:
            total += file.size
    return Inspected(manifest, verified, tuple(findings), total)


def read_set(at: int, artefact: str) -> Inspected:
    """The same without reading data: the records agree, and every file is there in its size."""
    manifest, raw, wrong = _manifest(at, artefact)
    verified, problem = _verified(at, artefact, sha256(raw))
    findings = [found for found in (wrong, problem) if found]
    for file in manifest.files if manifest else ():
        try:
            size = os.stat(file.name, dir_fd=at, follow_symlinks=False).st_size
        except OSError as error:
            findings.append(_unreadable(file.name, error))
        else:
            findings += [_sized(file, size)] if size != file.size else []
    return Inspected(manifest, verified, tuple(findings))


def _manifest(at: int, artefact: str) -> tuple[Manifest | None, bytes, Finding | None]:
    try:
        raw = read_small(MANIFEST, at)
        manifest = Manifest.read(raw)
    except OSError as error:
        return None, b"", _unreadable(MANIFEST, error)
    except ManifestInvalid as error:
        return None, raw, Finding(MANIFEST, FailureClass.HASH_DIFFERS, str(error))
    if manifest.id != artefact or not manifest.files or not all(is_file_name(file.name) for file in manifest.files):
        return None, raw, Finding(MANIFEST, FailureClass.HASH_DIFFERS, f"it is the manifest of {manifest.id[:60]}")
    return manifest, raw, None


def _verified(at: int, artefact: str, manifest_sha256: str) -> tuple[Verified | None, Finding | None]:
    try:
        verified = Verified.read(read_small(VERIFIED, at))
    except OSError as error:
        return None, _unreadable(VERIFIED, error)
    except ManifestInvalid as error:
        return None, Finding(VERIFIED, FailureClass.HASH_DIFFERS, str(error))
    if verified.id != artefact:
        return None, Finding(VERIFIED, FailureClass.HASH_DIFFERS, f"it is about {verified.id[:60]}")
    if verified.manifest_sha256 != manifest_sha256:
        return None, Finding(MANIFEST, FailureClass.HASH_DIFFERS, "it is not the manifest that was verified")
    return verified, None


def _file(at: int, file: FileRecord) -> Generator[None, None, Finding | None]:
    try:
        size = os.stat(file.name, dir_fd=at, follow_symlinks=False).st_size
        if size != file.size:
            return _sized(file, size)
        found = yield from hashing(file.name, at)
    except OSError as error:
        return _unreadable(file.name, error)
    if found == file:
        return None
    return Finding(file.name, FailureClass.HASH_DIFFERS, f"sha256 is {found.sha256}, {file.sha256} left the source")


def _sized(file: FileRecord, size: int) -> Finding:
    return Finding(file.name, FailureClass.HASH_DIFFERS, f"has {size} bytes, {file.size} left the source")


def _unreadable(name: str, error: OSError) -> Finding:
    if isinstance(error, FileNotFoundError):
        return Finding(name, FailureClass.FILE_MISSING, "is missing")
    return Finding(name, class_of(error), f"can't be read: {error.strerror or error}")
