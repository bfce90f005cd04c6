"""The shortest way to a server: one blocking connection, commands out, raw replies in (RESP2)."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Word = str | bytes | int | float


class Refusal(Exception):
    """An error reply, as the server put it."""


class Wire:
    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._file = self._socket.makefile("rb")

    def call(self, command: Sequence[Word]) -> Any:
        """The reply; a refusal is returned, not raised, since a pipeline may hold some."""
        self._socket.sendall(_packed(command))
        return self.read()

    def calls(self, commands: Iterable[Sequence[Word]]) -> list[Any]:
        packed = [_packed(command) for command in commands]
        self._socket.sendall(b"".join(packed))
        return [self.read() for _ in packed]

    def read(self) -> Any:
        line = self._file.readline()
        kind, rest = line[:1], line[1:-2]
        match kind:
            case b"+":
                return rest
            case b":":
                return int(rest)
            case b"$":
                length = int(rest)
                return None if length < 0 else self._file.read(length + 2)[:-2]
            case b"*":
                count = int(rest)
                return None if count < 0 else [self.read() for _ in range(count)]
            case b"-":
                return Refusal(rest.decode())
            case _:
                raise ConnectionError(f"no reply: {line!r}")

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def _packed(command: Sequence[Word]) -> bytes:
    words = [w if isinstance(w, bytes) else str(w).encode() for w in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)
