"""What is written beside the data: what left the source, and what was proven of the copy. Pure.

Both files have exactly one spelling (`render`): a single changed byte in one of them is a different file, and is found.
Times are ISO 8601 in UTC; sizes are bytes; hashes are SHA-256 in hex.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo


class ManifestInvalid(ValueError):
    """A manifest or verification that can't be read, or is not spelt as it was written."""


class OtherVersion(ManifestInvalid):
    """It was written by another version of this program, whose records this one can't read."""


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def render(self) -> bytes:
        """Its one spelling."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """ManifestInvalid unless this is exactly what `render` wrote."""
        try:
            record = cls.model_validate_json(raw)
        except ValidationError as error:
            _require_this_version(raw, cls.model_fields.get("schema_version"))
            first = error.errors(include_url=False)[0]
            raise ManifestInvalid(f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from None
        if record.render() != raw:
            raise ManifestInvalid("it is not spelt as it was written")
        return record


def _require_this_version(raw: bytes, known: FieldInfo | None) -> None:
    """OtherVersion, where the record says so itself and is no rubbish."""
    try:
        told = json.loads(raw)
    except ValueError:
        return
    version = told.get("schemaVersion") if isinstance(told, dict) else None
    if known is None or type(version) is not int or version == known.default:
        return
    age = "an older" if version < known.default else "a newer"
    what = "take a new one" if version < known.default else "read it with that version"
    raise OtherVersion(f"made by {age} version (records of form {version}), cannot be verified by this one: {what}")


class FileRecord(Record):
    """One file as it left the source."""

    name: str
    size: int
    sha256: str


class Source(Record):
    """The server that was backed up, as it described itself shortly before the dump: who it is, its part in a
    replication and how far that has come, and its keys per database."""

    address: str
    run_id: str
    software: str
    version: str
    role: str
    mode: str
    replication_id: str
    offset: int
    databases: dict[str, int]


class Taken(Record):
    """How the dump left the source. mode: `stream`, or `disk` where the server wrote a file of its own first."""

    mode: Literal["stream", "disk"]
    replication_id: str
    offset: int
    started_at: str
    ended_at: str


class Dump(Record):
    """The dump's frame, and what the checker counted in it without loading it."""

    magic: str
    version: int
    crc: Literal["good", "none"]
    keys: int
    expires: int
    expired: int
    libraries: int


class Held(Record):
    """What a server holds, read while nothing changed in it: keys and expiring keys per database, function libraries,
    and `digest`, its own over all keys and values. by: the server that counted; only its like computes the same."""

    databases: dict[str, int]
    expires: dict[str, int]
    libraries: int
    digest: str
    by: str

    @property
    def keys(self) -> int:
        return sum(self.databases.values())


class Manifest(Record):
    """witness: what a replica of the source held at `taken.offset`, obtained without the dump (docs/decisions/0042);
    None where none was wanted. parent: the newest verified set at that time."""

    schema_version: Literal[2] = 2
    id: str
    target: str
    run: str
    round: int
    requested_by: str = ""
    parent: str = ""
    source: Source
    taken: Taken
    dump: Dump
    witness: Held | None
    tools: dict[str, str]
    files: tuple[FileRecord, ...]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)


class Sealed(Record):
    """A record that nothing else vouches for: `seal` is the hash of all the rest."""

    seal: str = ""

    def sealed(self) -> Self:
        return self.model_copy(update={"seal": sha256(self.model_copy(update={"seal": ""}).render())})

    @classmethod
    def read(cls, raw: bytes) -> Self:
        record = super().read(raw)
        if record != record.sealed():
            raise ManifestInvalid("it is not what was sealed")
        return record


class Verified(Sealed):
    """Written last. restored: what a throwaway server held that was started from the copy."""

    schema_version: Literal[2] = 2
    id: str
    manifest_sha256: str
    verified_at: str
    reread_bytes: int
    restored: Held
    restore_ms: int

    @classmethod
    def read(cls, raw: bytes) -> Self:
        verified = super().read(raw)
        ms_of(verified.verified_at)  # a seal proves that it was written so, not that it makes sense
        return verified


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ms_of(text: str) -> int:
    """Back from `iso`; ManifestInvalid."""
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        raise ManifestInvalid(f"{text[:40]!r} is no time") from None


def plain(record: Record) -> dict[str, Any]:
    """As JSON-able values, by the names of the file."""
    return record.model_dump(mode="json", by_alias=True)
