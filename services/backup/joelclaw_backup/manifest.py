"""What is written beside the data: what left the source, and what was proven of the copy. Pure.

`records` says how they are spelt.
"""

from __future__ import annotations

import builtins
import json
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

from joelclaw_backup.layout import is_users
from joelclaw_backup.parts import Collected, Dump, Engine, Held, Shard, Sharded, Snapped, Source, Taken, digest_of
from joelclaw_backup.records import FileRecord, Record, Sealed, ms_of

Restored = Held | Collected | Sharded
"""What a throwaway server of any kind holds."""
NO_USERS = "without the ACL users: the backup's own user may not ask for them (ACL LIST)"


class Manifest(Record):
    """What every target's manifest says. parent: the newest verified set at that time. `read` and `of` give the one of
    its target."""

    schema_version: Literal[2, 3]
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
    def sha256(self) -> str:
        """The hash by which people tell its data."""
        return self.files[0].sha256

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

    schema_version: Literal[2] = 2
    source: Source
    taken: Taken
    dump: Dump
    witness: Held | None

    @property
    def told(self) -> Told:
        taken, digest = self.taken, self.witness.digest if self.witness else None
        note = "" if any(is_users(file.name) for file in self.files) else NO_USERS
        return Told(self.source.address, taken.started_at, taken.ended_at, self.dump.keys, "keys", digest, note)


class ClusterManifest(Manifest):
    """A cluster, whole: every primary of its map (docs/decisions/0140). A version of this program that knows no
    clusters reads the form's number, and leaves the set alone."""

    schema_version: Literal[3] = 3
    shards: tuple[Shard, ...]

    @property
    def sha256(self) -> str:
        """Of all its files' hashes."""
        return digest_of({file.name: file.sha256 for file in self.files})

    @property
    def witness(self) -> Sharded | None:
        """What all of it held, each shard at its own moment; None unless every shard had a witness."""
        known = {shard.file: shard.witness for shard in self.shards if shard.witness}
        return Sharded(shards=known) if len(known) == len(self.shards) else None

    @property
    def told(self) -> Told:
        shards, witness = self.shards, self.witness
        source = "cluster " + ", ".join(shard.source.address for shard in shards)
        started, ended = min(s.taken.started_at for s in shards), max(s.taken.ended_at for s in shards)
        notes = [f"{len(shards)} shards, each of its own moment within {(ms_of(ended) - ms_of(started)) / 1000:.1f} s"]
        if not all(shard.users for shard in shards):
            notes.append(NO_USERS)
        keys = sum(shard.dump.keys for shard in shards)
        return Told(source, started, ended, keys, "keys", witness.digest if witness else None, "; ".join(notes))


class TypesenseManifest(Manifest):
    """witness: what the server held when the snapshot was made, read through its API (docs/decisions/0091); `moving`:
    the collections that changed while that was read, so that only their presence can be compared. members: the files
    inside the archive, as they left the server."""

    schema_version: Literal[2] = 2
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
    told = value if isinstance(value, dict) else {}
    if told.get("target") == "typesense":
        return TypesenseManifest
    return ClusterManifest if "shards" in told else RedisManifest


class Verified(Sealed):
    """Written last; form 3 is a cluster's. restored: what a throwaway server held that was started from the copy;
    None where none of that kind is here to be started: then the bytes alone are proven."""

    schema_version: Literal[2, 3] = 2
    id: str
    manifest_sha256: str
    verified_at: str
    reread_bytes: int
    restored: Restored | None
    restore_ms: int | None

    @classmethod
    def read(cls, raw: bytes) -> Self:
        verified = super().read(raw)
        ms_of(verified.verified_at)  # a seal proves that it was written so, not that it makes sense
        return verified
