"""The directory where a suite keeps what outlives it: the embedded store's data, locks, and where it runs now.

| path            | what                                                            |
|-----------------|-----------------------------------------------------------------|
| `suite.lock`    | held by the one suite of this directory; says by whom           |
| `suite.json`    | where the running suite is, for every other `joelclaw` command  |
| `store/`        | the embedded store: its append-only files, log, lock, last port |
| `services/`     | one lock, process number and ready file per service             |

And `known-stores.json`: which stores it has seen, so that the loss of one is told at the next start.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from joelclaw_bus.errors import StateDirectoryBusy, StateDirectoryUnusable
from joelclaw_bus.file_lock import FileLock


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """The whole text or nothing: a reader never meets half a file, not even after a power cut."""
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            os.fchmod(fd, mode)
            file.write(text)
            file.flush()
            os.fsync(fd)
        os.replace(temporary, path)
    except BaseException:  # whatever ended it, a cancellation too: no half-written file stays behind
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


MARKS = ("suite.lock", "alerts.log", "backup-checks", "backup-staging")
"""Any of these makes a directory a state directory: suites (the first) and services alone write them. `store` and
`services` are names that a stranger's directory may have as well: this project's own has one."""


class StateDirectory:
    """A suite's state directory. `open` makes it and takes its lock; `running_suite` only reads."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock = FileLock(self.path / "suite.lock")

    @property
    def store(self) -> Path:
        return self.path / "store"

    @property
    def services(self) -> Path:
        return self.path / "services"

    @property
    def is_one(self) -> bool:
        """Whether a suite or a service ever kept something here."""
        return any((self.path / name).exists() for name in MARKS)

    def open(self) -> None:
        """Make it, prove that it can be written, lock it. StateDirectoryBusy, StateDirectoryUnusable; the latter also
        for a directory of something else: a slip of the hand must not fill it with a store."""
        try:
            others = sorted(entry.name for entry in self.path.iterdir()) if self.path.is_dir() else []
            if others and not self.is_one:
                problem = f"it is no state directory: it holds other things ({', '.join(others[:3])})"
                raise StateDirectoryUnusable(str(self.path), problem)
            for folder in (self.path, self.store, self.services):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            mine = self._lock.take()
            if mine:
                self._lock.say(f"process {os.getpid()}")
        except OSError as error:
            self._lock.leave()
            raise StateDirectoryUnusable(str(self.path), error.strerror or str(error)) from error
        if not mine:
            raise StateDirectoryBusy(str(self.path), self._lock.holder() or "another process")

    def close(self) -> None:
        """Give it up: the next suite may have it."""
        if self._lock.fd >= 0:
            (self.path / "suite.json").unlink(missing_ok=True)
            self._lock.say("")
        self._lock.leave()

    def record_suite(self, suite: dict[str, Any]) -> None:
        """Tell the other commands where this suite is."""
        write_atomically(self.path / "suite.json", json.dumps(suite, indent=1))

    def running_suite(self) -> dict[str, Any] | None:
        """What the last suite recorded; None after a graceful end. It may have been killed: the store tells."""
        try:
            suite = json.loads((self.path / "suite.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return suite if isinstance(suite, dict) else None

    def holder(self) -> int | None:
        """The process number of the suite that holds this directory now, None when none does; 0 while its holder does
        not say who it is: it has just taken it, or is about to leave it."""
        probe = FileLock(self._lock.path)
        try:
            if probe.take():
                probe.leave()
                return None
        except OSError:
            return None
        digits = probe.holder().removeprefix("process ")
        return int(digits) if digits.isdigit() else 0
