"""One embedded store for all buses under test in this process: started by the first, ended with the process."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joelclaw_bus.embedded import EmbeddedSettings, EmbeddedStore

DATABASES = 16
_PLACE = "joelclaw-testing-"


class _Shared:
    """Every bus gets a database of its own, so that two at once do not meet."""

    def __init__(self) -> None:
        self._store: EmbeddedStore | None = None
        self._free = set(range(DATABASES))

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of an unused database. The caller empties it."""
        if not self._free:
            raise RuntimeError(f"{DATABASES} test buses are open in this process already; close some")
        number = min(self._free)
        self._free.discard(number)
        try:
            yield self._url().removesuffix("/0") + f"/{number}"
        finally:
            self._free.add(number)

    def _url(self) -> str:
        if self._store is None:
            _end_orphans()
            directory = Path(tempfile.mkdtemp(prefix=f"{_PLACE}{os.getpid()}-"))
            store = EmbeddedStore(EmbeddedSettings(directory, port=0))
            store.start()
            self._store = store
            atexit.register(self._end, os.getpid())
        return self._store.url

    def _end(self, pid: int) -> None:
        if self._store and os.getpid() == pid:  # a forked child must not end its parent's
            self._store.stop()
            shutil.rmtree(self._store.directory, ignore_errors=True)


def _end_orphans() -> None:
    """A test run that was killed leaves its server behind: the next one ends it."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PLACE}*"):
        pid = directory.name.removeprefix(_PLACE).partition("-")[0]
        if pid.isdigit() and directory.stat().st_uid == os.getuid() and not _lives(int(pid)):
            EmbeddedStore(EmbeddedSettings(directory)).end_orphan()
            shutil.rmtree(directory, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


SHARED = _Shared()
