"""A lock that lives exactly as long as the process that holds it, whatever ends that process.

The kernel keeps an flock as long as any process has the open file. A child that inherits the file (`pass_fds`) keeps
the lock after its parent was killed: so "is that server, that service, still alive?" has an answer that no recycled
process number can falsify. The text in the file (who holds it) is for messages only.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


class FileLock:
    """An exclusive lock on `path`. `fd` is what a child may inherit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = -1

    def take(self, *, wait: float = 0.0) -> bool:
        """Whether it is ours now; tries for `wait` seconds. OSError where the file can't be made."""
        deadline = time.monotonic() + wait
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(fd)
                    return False
                time.sleep(0.02)
            else:
                self.fd = fd
                return True

    def say(self, text: str) -> None:
        """Write who holds it. Only while it is ours."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, text.encode(), 0)

    def holder(self) -> str:
        """What its last holder wrote; empty when nobody did."""
        try:
            return self.path.read_text("utf-8", "replace").strip()
        except OSError:
            return ""

    def leave(self) -> None:
        """Close our copy. A child that inherited it goes on holding the lock."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
