"""Whether a file system is mounted at a path, by the system's own table. Pure: the table is an argument.

A probe that only looked whether the directory is there has passed with nothing mounted, and filled the root disk.
"""

from __future__ import annotations

import re
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")


def mount_points(table: str) -> frozenset[str]:
    """The mount points of a Linux mountinfo table."""
    lines = (line.split(" ") for line in table.splitlines())
    return frozenset(_plain(fields[4]) for fields in lines if len(fields) > 4)


def is_mount_point(path: str, device: int, parents_device: int, table: str | None) -> bool:
    """`path` resolved; `device`, `parents_device`: st_dev of it and its parent; they decide where there is no table."""
    if table is not None:
        return path in mount_points(table)
    return device != parents_device


def _plain(field: str) -> str:
    """Blanks and backslashes are octal in there."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), field)
