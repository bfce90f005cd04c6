"""What manifests are made of: who a source is, how its data left it, what it held. Nouns; `records` spells them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from joelclaw_backup.records import Record, sha256


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


class Shard(Record):
    """One primary of a cluster, its own moment and its own file. node, slots, epoch: as the cluster's map had them, the
    same before and after the whole of it was taken; users: the file of its ACL, where it could be asked for."""

    node: str
    slots: tuple[tuple[int, int], ...]
    epoch: int
    file: str
    users: str
    source: Source
    taken: Taken
    dump: Dump
    witness: Held | None


class Sharded(Record):
    """What the servers hold that were started from a cluster's dumps, one from each, by the dump's file."""

    shards: dict[str, Held]

    @property
    def keys(self) -> int:
        return sum(held.keys for held in self.shards.values())

    @property
    def count(self) -> int:
        return self.keys

    @property
    def digest(self) -> str:
        return digest_of({name: held.digest for name, held in self.shards.items()})


def digest_of(digests: Mapping[str, str]) -> str:
    """One digest of many, by name."""
    return sha256(json.dumps(dict(digests), sort_keys=True).encode())


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
