"""The real server under a clock of the test's own: Debian's `faketime` answers it from a file, and time stands still.

TIME, entry ids, idle times, expiries, elections: the server takes them all from that clock, its monotonic one included.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from joelclaw_bus.embedded import server_binary
from tests.simulation.wire import Wire

LIBRARY = "libfaketime.so.1"
START_US = 1_767_225_600_000_000
"""2026-01-01, where every history begins."""


def library() -> Path | None:
    """Where Debian keeps it; None when it is not installed."""
    return next(Path("/usr/lib").glob(f"*/faketime/{LIBRARY}"), None)


def _die_with_us() -> None:
    """A simulation that is killed leaves no server behind (Linux, as faketime is)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class FakedServer:
    """One server for many histories: `begin` empties it and sets its clock."""

    def __init__(self) -> None:
        preload = library()
        if preload is None:
            raise RuntimeError(f"{LIBRARY} is missing: apt-get install faketime")
        self._directory = Path(tempfile.mkdtemp(prefix="sim-"))
        clock = self._directory / "clock"
        self._clock = os.open(clock, os.O_RDWR | os.O_CREAT)
        self._set_us = -1
        self.set_us(START_US)
        self._process = subprocess.Popen(
            [
                *(str(server_binary()), "--port", "0", "--unixsocket", str(self._directory / "socket")),
                *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
                *("--logfile", str(self._directory / "log"), "--dir", str(self._directory)),
            ],
            env={
                "LD_PRELOAD": str(preload),
                "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_NO_CACHE": "1",
                # Its allocator asks for the time while faketime, asked for the time, allocates: it must not.
                "MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1",
                "TZ": "UTC",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_us,
        )
        self.wire, self.ear = self._connect(), self._connect()

    def __enter__(self) -> FakedServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.wire.close()
        self.ear.close()
        self._process.kill()
        self._process.wait(10)
        os.close(self._clock)
        shutil.rmtree(self._directory, ignore_errors=True)

    def begin(self) -> None:
        self.set_us(START_US)
        self.wire.call(["FLUSHALL", "SYNC"])

    def set_us(self, at: int) -> None:
        """The server's time from now on, microseconds since the epoch."""
        if at != self._set_us:
            self._set_us = at
            seconds, micros = divmod(at, 1_000_000)
            # Half a microsecond more: faketime reads the fraction as a float, and cuts.
            text = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + f".{micros:06d}5\n"
            os.pwrite(self._clock, text.encode(), 0)

    def _connect(self) -> Wire:
        deadline = time.monotonic() + 60
        while True:
            try:
                return Wire(self._directory / "socket")
            except OSError:
                log = self._directory / "log"
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"no server: {log.read_text() if log.exists() else 'it ended'}") from None
                time.sleep(0.01)
