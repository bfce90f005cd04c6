"""What is written beside the data: what left the source, and what was proven of the copy. Pure.

`records` says how they are spelt.
"""

from __future__ import annotations

import builtins
import json
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

from joelclaw_backup.records import FileRecord, Record, Sealed, ms_of, sha256


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

    @property
    def count(self) -> int:
        return self.keys


class Collection(Record):
    """One collection of a Typesense: its documents, and a digest of them, its schema, synonyms and overrides."""

    documents: int
    digest: str


class Collected(Record):
    """What a Typesense holds. settings: a digest of what belongs to no collection (aliases, keys, presets); index: the
    raft index that it was read at; by: the server that was read."""

    collections: dict[str, Collection]
    settings: str
    index: int
    by: str

    @property
    def digest(self) -> str:
        """Of all that it holds."""
        return sha256(json.dumps(self.model_dump(include={"collections", "settings"}), sort_keys=True).encode())

    @property
    def count(self) -> int:
        """All documents."""
        return sum(collection.documents for collection in self.collections.values())


class Engine(Record):
    """The Typesense that was backed up, as it said itself: its address, version, and part in its cluster."""

    address: str
    version: str
    role: str


class Snapped(Record):
    """How a snapshot was made and left its server. root: the one that took it; term, index: of its raft; calls: how
    many were made until one gave what the server held at one moment."""

    mode: Literal["local", "k8s"]
    root: str
    snapshot: str
    term: int
    index: int
    calls: int
    started_at: str
    ended_at: str


class Manifest(Record):
    """What every target's manifest says. parent: the newest verified set at that time. `read` and `of` give the one of
    its target."""

    schema_version: Literal[2] = 2
    id: str
    target: str
    run: str
    round: int
    requested_by: str = ""
    parent: str = ""
    tools: dict[str, str]
    files: tuple[FileRecord, ...]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def told(self) -> Told:
        """What lists and results say of it, whatever the target."""
        raise TypeError(f"{type(self).__name__} is of no target")

    @classmethod
    def of(cls, value: dict[str, Any]) -> Manifest:
        """From a step's record. ValidationError."""
        return _kind(value).model_validate(value)

    @classmethod
    def read(cls, raw: builtins.bytes) -> Self:
        if cls is not Manifest:
            return super().read(raw)
        try:
            value = json.loads(raw)
        except ValueError:
            value = {}
        return cast(Self, _kind(value).read(raw))  # only the text says of which target it is


class RedisManifest(Manifest):
    """witness: what a replica of the source held at `taken.offset`, obtained without the dump (docs/decisions/0042);
    None where none was wanted."""

    source: Source
    taken: Taken
    dump: Dump
    witness: Held | None

    @property
    def told(self) -> Told:
        digest = self.witness.digest if self.witness else None
        return Told(self.source.address, self.taken.started_at, self.taken.ended_at, self.dump.keys, "keys", digest)


class TypesenseManifest(Manifest):
    """witness: what the server held when the snapshot was made, read through its API (docs/decisions/0091); `moving`:
    the collections that changed while that was read, so that only their presence can be compared. members: the files
    inside the archive, as they left the server."""

    source: Engine
    taken: Snapped
    witness: Collected
    moving: tuple[str, ...]
    members: tuple[FileRecord, ...]

    @property
    def told(self) -> Told:
        taken, held = self.taken, self.witness
        digest = held.digest if not self.moving else None
        notes = [f"taken from a {self.source.role}: the leader may hold more"] if self.source.role != "leader" else []
        if self.moving:
            notes.append(f"written to meanwhile, so not compared exactly: {', '.join(self.moving)}")
        source, told = self.source.address, "; ".join(notes)
        return Told(source, taken.started_at, taken.ended_at, held.count, "documents", digest, told)


@dataclass(frozen=True, slots=True)
class Told:
    """A manifest in brief. count, of: how many of what it holds; digest: None where nothing exact was taken; note: what
    people should know of it."""

    source: str
    started_at: str
    ended_at: str
    count: int
    of: str
    digest: str | None
    note: str = ""


def _kind(value: Any) -> type[Manifest]:
    target = value.get("target") if isinstance(value, dict) else None
    return TypesenseManifest if target == "typesense" else RedisManifest


class Verified(Sealed):
    """Written last. restored: what a throwaway server held that was started from the copy; None where none of that kind
    is here to be started: then the bytes alone are proven."""

    schema_version: Literal[2] = 2
    id: str
    manifest_sha256: str
    verified_at: str
    reread_bytes: int
    restored: Held | Collected | None
    restore_ms: int | None

    @classmethod
    def read(cls, raw: bytes) -> Self:
        verified = super().read(raw)
        ms_of(verified.verified_at)  # a seal proves that it was written so, not that it makes sense
        return verified
