"""An RDB's frame, checked as it streams by: magic, version, and the CRC-64 in its trailer. No I/O.

    9 bytes magic and version (`REDIS0011`, `VALKEY080`) · sections · 0xFF · 8 bytes CRC-64, little endian

A trailer of zeros means that the server was told to make no checksum (`rdbchecksum no`): then nothing inside is proven
here, only that the dump ends where it says it does. The one module that knows anycrc.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import anycrc  # type: ignore[import-untyped]  # a compiled module without stubs

from joelclaw_backup.failure import BackupFailed, FailureClass

_HEADER = 9
_TRAILER = 8
_END = 0xFF
_MAGIC = re.compile(rb"(REDIS)([0-9]{4})|(VALKEY)([0-9]{3})")
_CRC64 = anycrc.Model("CRC64-REDIS")


@dataclass(frozen=True, slots=True)
class RdbFrame:
    """crc: `good`, or `none` where the server made none."""

    magic: str
    version: int
    crc: Literal["good", "none"]
    size: int


class RdbReader:
    """Feed it every byte in order, then ask for the frame."""

    def __init__(self) -> None:
        self.size = 0
        self._header = b""
        self._crc = 0
        self._tail = b""  # the last 9 bytes seen: the end mark and the trailer, once all is here

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        view = memoryview(chunk)
        self.size += len(view)
        if len(self._header) < _HEADER:
            self._header += bytes(view[: _HEADER - len(self._header)])
        held = self._tail[-_TRAILER:]  # not in the checksum yet: they may be the trailer
        if len(view) >= _TRAILER:
            self._crc = _CRC64.calc(view[:-_TRAILER], _CRC64.calc(held, self._crc))
        else:
            self._crc = _CRC64.calc((held + bytes(view))[:-_TRAILER], self._crc)
        self._tail = (self._tail + bytes(view[-_TRAILER - 1 :]))[-_TRAILER - 1 :]

    def frame(self) -> RdbFrame:
        """After the last byte. BackupFailed (rdb-invalid) says what is wrong with it."""
        magic, version = header_of(self._header)
        if self.size < _HEADER + 1 + _TRAILER or self._tail[0] != _END:
            raise _invalid(f"ends after {self.size} bytes without its end mark: it was cut short")
        told = int.from_bytes(self._tail[1:], "little")
        if told and told != self._crc:
            raise _invalid(f"has the checksum {self._crc:016x}, its trailer says {told:016x}")
        return RdbFrame(magic, version, "good" if told else "none", self.size)


def header_of(begin: bytes) -> tuple[str, int]:
    """(magic, version) of a dump that begins so. BackupFailed (rdb-invalid)."""
    found = _MAGIC.fullmatch(begin[:_HEADER])
    if not found:
        raise _invalid(f"begins with {begin[:_HEADER]!r}, which is neither REDIS nor VALKEY and a version")
    return (found[1] or found[3]).decode(), int(found[2] or found[4])


def _invalid(problem: str) -> BackupFailed:
    return BackupFailed(FailureClass.RDB_INVALID, f"the dump {problem}")
