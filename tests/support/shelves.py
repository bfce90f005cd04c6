"""Sets on a shelf that were never a server's: whole records and sound files, made at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from joelclaw_backup import ledger
from joelclaw_backup.layout import artefact_id, shard_files
from joelclaw_backup.manifest import ClusterManifest, Manifest, TypesenseManifest, Verified
from joelclaw_backup.parts import Collected, Dump, Engine, Shard, Snapped, Source, Taken
from joelclaw_backup.records import FileRecord, iso, sha256

FIRST_MS = 1_795_000_000_000
EMPTY_RDB = b"REDIS0011\xff" + bytes(8)
"""A sound dump of nothing, without a checksum."""


@dataclass(frozen=True)
class Shelf:
    """Below `root`; the suite's notes of what it proved are in `aside`."""

    root: Path
    aside: Path

    def add(self, number: int, target: str, *, shards: int = 0, noted: bool = True, proven: int | None = None) -> Path:
        """A verified set, a minute younger than the one of the number before. shards: of a cluster of Redis. proven:
        when, as such a number, where its id tells another time."""
        id = artefact_id(f"run:{number}", 0, FIRST_MS + number * 60_000)
        path = self.root / "backups" / target / id
        path.mkdir(parents=True)
        manifest = _cluster(id, path, shards) if shards else _typesense(id, path)
        (path / "manifest.json").write_bytes(manifest.render())
        verified = Verified(
            schema_version=3 if shards else 2,
            id=id,
            manifest_sha256=sha256(manifest.render()),
            verified_at=iso(FIRST_MS + (number if proven is None else proven) * 60_000),
            reread_bytes=manifest.bytes,
            restored=None,
            restore_ms=None,
        ).sealed()
        (path / "verified.json").write_bytes(verified.render())
        if noted:
            ledger.enter(self.aside, verified)
        return path


def _written(path: Path, name: str, data: bytes) -> FileRecord:
    (path / name).write_bytes(data)
    return FileRecord(name=name, size=len(data), sha256=sha256(data))


def _typesense(id: str, path: Path) -> Manifest:
    return TypesenseManifest(
        id=id,
        target="typesense",
        run="r",
        round=0,
        tools={},
        files=(_written(path, "snapshot.tar", os.urandom(10_000)),),
        source=Engine(address="http://t", version="0.24.1", role="leader"),
        taken=Snapped(
            mode="local", root="/s", snapshot="s", term=1, index=1, calls=1, started_at=iso(0), ended_at=iso(0)
        ),
        witness=Collected(collections={}, settings="", index=1, by="typesense 0.24.1"),
        moving=(),
        members=(),
    )


def _cluster(id: str, path: Path, count: int) -> Manifest:
    files: list[FileRecord] = []
    shards: list[Shard] = []
    for n in range(1, count + 1):
        dump, users = shard_files(n)
        files += [_written(path, dump, EMPTY_RDB), _written(path, users, b"user default on\n" * n)]
        source = Source(
            address=f"h:{n}", run_id="r", software="valkey", version="9", role="master", mode="cluster",
            replication_id="", offset=0, databases={},
        )  # fmt: skip
        taken = Taken(mode="stream", replication_id="", offset=0, started_at=iso(0), ended_at=iso(0))
        held = Dump(magic="REDIS", version=11, crc="none", keys=0, expires=0, expired=0, libraries=0)
        shards.append(
            Shard(node=f"n{n}", slots=((n, n),), epoch=1, file=dump, users=users, source=source, taken=taken,
                  dump=held, witness=None)
        )  # fmt: skip
    return ClusterManifest(id=id, target="redis", run="r", round=0, tools={}, files=tuple(files), shards=tuple(shards))
