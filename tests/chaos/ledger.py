"""The append-only file outside the store. One JSON line an act, with the machine's monotonic clock and the writer.

A SIGKILL may tear the line that is being written: every line therefore begins with a line feed of its own, and a torn
one is counted and passed over.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Line = dict[str, Any]
_clock = time.monotonic


class Ledger:
    """Where one process writes. `t` is seconds of the machine's monotonic clock: the same in all its processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pid = os.getpid()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, what: str, **more: object) -> float:
        """Append one act; when it was."""
        at = _clock()
        line = json.dumps({"t": round(at, 6), "pid": self._pid, "is": what, **more}, separators=(",", ":"))
        os.write(self._file, b"\n" + line.encode())
        return at

    def close(self) -> None:
        os.close(self._file)


@dataclass
class Tail:
    """Reads what was appended since the last look, for those who must act on it while it is written."""

    path: Path
    torn: int = 0
    _at: int = 0
    _rest: bytes = field(default=b"")

    def lines(self) -> Iterator[Line]:
        with self.path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        self._at += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        for text in whole:
            if text:
                try:
                    yield json.loads(text)
                except ValueError:
                    self.torn += 1
        with suppress(ValueError):  # no line feed behind it yet: whole already, or still being written
            last = json.loads(self._rest) if self._rest else None
            if last:
                self._rest = b""
                yield last


def read(path: Path) -> tuple[list[Line], int]:
    """All lines in the order of their times, and how many were torn."""
    tail = Tail(path)
    lines = sorted(tail.lines(), key=lambda line: line["t"])
    return lines, tail.torn + bool(tail._rest)
