"""The child that touches a destination: `python -m joelclaw_health.probes.touch KIND PATH`, one line of JSON.

A process of its own, because a dead NAS holds a call for ever and no thread can be killed. It writes what a backup
would write, makes it durable, reads it back and takes it away again; a `mount` must be one before a byte is written,
and what is `ours` may be missing until the first backup makes it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from pathlib import Path

from joelclaw_contracts.config import SENTINEL
from joelclaw_healing.mounts import TABLE, is_mount_point

BYTES = 64 * 1024


def touch(kind: str, path: Path) -> dict[str, object]:
    """{"ok", "reason", "free"}: free bytes for this user, where they could be told."""
    if kind == "ours" and not path.exists():
        return {"ok": True, "reason": ""}
    if not path.is_dir():
        return {"ok": False, "reason": f"{path} is no directory" if path.exists() else f"{path} does not exist"}
    if kind == "mount" and not _is_mounted(path):  # before any byte: else it would land on the disk below
        return {"ok": False, "reason": f"nothing is mounted at {path}"}
    if kind == "mount" and not (path / SENTINEL).is_file():  # nor does a backup write without it
        return {"ok": False, "reason": f"{path} lacks its sentinel file {SENTINEL}: is it the right file system?"}
    file, data = path / f".joelclaw-probe-{os.getpid()}-{secrets.token_hex(4)}", secrets.token_bytes(BYTES)
    try:
        try:
            _write(file, data)
            if file.read_bytes() != data:
                return {"ok": False, "reason": f"{path} gave back other bytes than were written"}
        finally:
            file.unlink(missing_ok=True)
    except OSError as error:
        return {"ok": False, "reason": f"{path} can't be written: {error.strerror or error}"}
    return {"ok": True, "reason": "", "free": shutil.disk_usage(path).free}


def _is_mounted(path: Path) -> bool:
    """By the same rule as a backup's: the system's mount table, not a device number that a link can lead to."""
    root = path.resolve()
    table = TABLE.read_text("utf-8", "replace") if TABLE.exists() else None
    return is_mount_point(str(root), root.stat().st_dev, root.parent.stat().st_dev, table)


def _write(file: Path, data: bytes) -> None:
    with file.open("xb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


if __name__ == "__main__":
    print(json.dumps(touch(sys.argv[1], Path(sys.argv[2]))))
