"""Whether what lies in a snapshot's directory is a whole snapshot. Pure: the server's answer has no say in it.

    state/meta/raft_meta
    state/snapshot/snapshot_<index>/__raft_snapshot_meta     4 bytes length, then the list below as protobuf
    state/snapshot/snapshot_<index>/db_snapshot/{CURRENT, MANIFEST-n, OPTIONS-n, n.sst …}

| what lies there                                                        | is                 |
|------------------------------------------------------------------------|--------------------|
| nothing                                                                | no-snapshot-files  |
| two generations, no list, or one that can't be read                    | snapshot-invalid   |
| a file of the list is missing or empty; the list names no data         | snapshot-invalid   |
| CURRENT names a MANIFEST that isn't there or is empty                  | snapshot-invalid   |
| a table (`.sst`) without RocksDB's mark at its end: it was cut         | snapshot-invalid   |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from joelclaw_backup.failure import BackupFailed, FailureClass

LIST = "__raft_snapshot_meta"
TABLE_END = bytes.fromhex("f7cff485b741e288")
"""How every block-based table of RocksDB ends."""
_GENERATION = re.compile(r"state/snapshot/(snapshot_[0-9]+)/(.+)")


@dataclass(frozen=True, slots=True)
class Lying:
    """A file as it lies there: its size, its last 8 bytes, and all of it where it is small and says something."""

    size: int
    end: bytes = b""
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the snapshot says of itself: up to which index of which term, and its files."""

    index: int
    term: int
    files: tuple[str, ...]


def judge(files: Mapping[str, Lying]) -> Listed:
    """files: by path below the snapshot's directory. BackupFailed says which file is not right."""
    if not any(file.size for file in files.values()):
        raise BackupFailed(FailureClass.NO_SNAPSHOT_FILES, "no snapshot files staged: its directory holds nothing")
    found = {m[1] for path in files if (m := _GENERATION.fullmatch(path))}
    if len(found) != 1:
        raise _invalid(f"{len(found)} generations lie there: {', '.join(sorted(found)) or 'no state/snapshot'}")
    at = f"state/snapshot/{found.pop()}/"
    meta = files.get(at + LIST)
    if meta is None or not meta.size:
        raise _invalid(f"{LIST} is {'missing' if meta is None else 'empty'}")
    listed = read_list(meta.text)
    for name in listed.files:
        file = files.get(at + name)
        if file is None or not file.size:
            raise _invalid(f"{name} is {'missing' if file is None else 'empty'}, and {LIST} names it")
        if name.endswith(".sst") and file.end != TABLE_END:
            raise _invalid(f"{name} has no end: it was cut after {file.size} bytes")
    current = files.get(at + "db_snapshot/CURRENT")
    if "db_snapshot/CURRENT" not in listed.files or current is None:
        raise _invalid("CURRENT is not in the list: it names no data")
    manifest = "db_snapshot/" + current.text.decode("utf-8", "replace").strip()
    if not re.fullmatch(r"db_snapshot/MANIFEST-[0-9]+", manifest) or manifest not in listed.files:
        raise _invalid(f"CURRENT names {manifest[12:80]!r}, which is no MANIFEST of the list")
    return listed


def read_list(raw: bytes) -> Listed:
    """`__raft_snapshot_meta`: {1: {1: index, 2: term, 3: peers …}, 2: [{1: name, 2: …}]}. BackupFailed."""
    try:
        size = int.from_bytes(raw[:4], "big")
        if len(raw) != size + 4:
            raise ValueError(f"it says {size} bytes and has {len(raw) - 4}")
        fields = list(_fields(raw[4:]))
        about = dict(_fields(next(value for number, value in fields if number == 1 and isinstance(value, bytes))))
        files = [dict(_fields(value))[1] for number, value in fields if number == 2 and isinstance(value, bytes)]
        index, term = about[1], about[2]
        if not isinstance(index, int) or not isinstance(term, int):
            raise ValueError("index or term is no number")
        return Listed(index, term, tuple(name.decode() for name in files if isinstance(name, bytes)))
    except (ValueError, KeyError, IndexError, StopIteration, UnicodeDecodeError) as error:
        raise _invalid(f"{LIST} can't be read: {error}") from None


def _fields(raw: bytes) -> list[tuple[int, int | bytes]]:
    """Protobuf's fields, numbers and byte strings: all that this list uses."""
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        value, at = _varint(raw, at)
        match tag & 7:
            case 0:
                found.append((tag >> 3, value))
            case 2:
                if at + value > len(raw):
                    raise ValueError("it was cut")
                found.append((tag >> 3, raw[at : at + value]))
                at += value
            case other:
                raise ValueError(f"it has a field of kind {other}")
    return found


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number does not end")


def _invalid(problem: str) -> BackupFailed:
    return BackupFailed(FailureClass.SNAPSHOT_INVALID, f"the snapshot is not whole: {problem}")
