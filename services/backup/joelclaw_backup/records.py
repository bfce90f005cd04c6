"""What every record beside a set is made of: one exact spelling, hashes, times, a seal. Pure.

A record has exactly one spelling (`render`): a single changed byte in it is a different file, and is found.
Times are ISO 8601 in UTC; sizes are bytes; hashes are SHA-256 in hex.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Self

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
