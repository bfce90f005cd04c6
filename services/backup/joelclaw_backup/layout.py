"""What is called how, below a destination's root. Pure.

| path                                        | what                                                          |
|---------------------------------------------|---------------------------------------------------------------|
| `backups/<target>/<id>/`                    | an artefact; `<id>` is `<UTC time>-<12 hex of run and round>` |
| `backups/<target>/<id>.<token>.partial/`    | one being written, or left by a crash                         |
| `backups/<target>/latest`                   | points at the newest verified artefact                        |
| `…/<id>/manifest.json`, `verified.json`     | what left the source; what was proven, written last           |
| `…/<id>/dump.rdb`, `users.acl`              | a Redis: its data, and its ACL users                          |
| `…/<id>/shard-NNN.rdb`, `shard-NNN.acl`     | the same of each primary of a cluster                         |
| `…/<id>/snapshot.tar`                       | a Typesense                                                   |
| `…/<id>/checked.json`                       | what later looks at it found                                  |
| `…/<id>/queued.json`                        | only in the queue: since when it waits                        |
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

MANIFEST = "manifest.json"
VERIFIED = "verified.json"
CHECKED = "checked.json"
QUEUED = "queued.json"
RECORDS = (MANIFEST, VERIFIED, CHECKED, QUEUED)
LATEST = "latest"
PARTIAL = ".partial"
DUMP = "dump.rdb"
USERS = "users.acl"
SNAPSHOT = "snapshot.tar"

_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")
_PARTIAL = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}\.[0-9a-f]{8}\.partial")
_LEFTOVER = re.compile(r"\.(latest|checked\.json|queued\.json)\.[0-9a-f]{8}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def artefact_id(run: str, round: int, at_ms: int) -> str:
    """Unique for every round of every run; sorts by time."""
    digest = hashlib.sha256(f"{run}\0{round}".encode()).hexdigest()[:12]
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y%m%dT%H%M%SZ}-{digest}"


def is_artefact_id(name: str) -> bool:
    """Whether it can name an artefact; nothing else from outside is ever made into a path."""
    return _ID.fullmatch(name) is not None


def is_partial(name: str) -> bool:
    return _PARTIAL.fullmatch(name) is not None


def is_leftover(name: str) -> bool:
    """Whether it is a small file on its way to a name."""
    return _LEFTOVER.fullmatch(name) is not None


def is_file_name(name: str) -> bool:
    """Whether a manifest may list it: one plain component, nothing that climbs or hides."""
    return _FILE.fullmatch(name) is not None and name not in RECORDS


def shard_files(number: int) -> tuple[str, str]:
    """(its dump, its users) for a cluster's shard, counted from 1."""
    return f"shard-{number:03}.rdb", f"shard-{number:03}.acl"


def is_dump(name: str) -> bool:
    """Whether such a file has to be a sound RDB."""
    return name.endswith(".rdb")


def is_users(name: str) -> bool:
    """Whether such a file holds ACL users."""
    return name.endswith(".acl")


def partial_name(artefact: str, token: str) -> str:
    return f"{artefact}.{token}{PARTIAL}"


def target_path(target: str) -> tuple[str, str]:
    """The components of a target's directory below the root."""
    return "backups", target
