"""Where the tests' stores write: in memory, where the system has a file system there that is large enough.

They fsync every write, as a careful operator has it, and on a disk most of a test's time is that: 50 µs a write in
memory, 1,500 µs on the disk of a busy machine. What a killed server had written is there again all the same.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
ENOUGH = 4 << 30
"""Free bytes. A container's is often 64 MB: a few append-only files would fill it."""
NAME = "system-bus-tests-"


@contextmanager
def memory_folder(disk: Path) -> Iterator[Path]:
    """A folder in memory, gone afterwards; `disk` where there is no such memory."""
    if not os.access(SHARED_MEMORY, os.W_OK) or shutil.disk_usage(SHARED_MEMORY).free < ENOUGH:
        yield disk
        return
    _clear_away()
    with tempfile.TemporaryDirectory(
        dir=SHARED_MEMORY, prefix=f"{NAME}{os.getpid()}-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def _clear_away() -> None:
    """What a run that was killed has left: it holds memory."""
    for folder in SHARED_MEMORY.glob(f"{NAME}*"):
        pid = folder.name.removeprefix(NAME).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)
