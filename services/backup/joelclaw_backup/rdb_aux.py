"""What a dump says of itself before its data: pairs of a name and a value, `ctime`, `valkey-ver`, `repl-id` and others.

9 bytes magic and version, then for each pair 0xFA and two strings; a string has its length before it (6, 14 or 32
bits), or is a number of 8, 16 or 32 bits. What comes after the pairs is data. Pure.
"""

from __future__ import annotations

from joelclaw_backup.rdb import header_of

_AUX = 0xFA
_NUMBERS = {0: 1, 1: 2, 2: 4}
ENOUGH = 64 * 1024
"""All pairs lie within so many bytes."""


def aux_of(begin: bytes) -> dict[str, str]:
    """The pairs of a dump that begins so; those that can be read. BackupFailed (rdb-invalid) for what is no dump."""
    header_of(begin)
    found, at = {}, 9
    try:
        while begin[at] == _AUX:
            name, at = _string(begin, at + 1)
            value, at = _string(begin, at)
            found[name] = value
    except (IndexError, ValueError):
        pass  # cut short, or spelt as no server spells them: the checker judges that
    return found


def _string(raw: bytes, at: int) -> tuple[str, int]:
    kind, low = raw[at] >> 6, raw[at] & 0x3F
    if kind == 3:
        size = _NUMBERS.get(low, 0)
        if not size:
            raise ValueError("a compressed string")
        return str(int.from_bytes(_exactly(raw, at + 1, size), "little", signed=True)), at + 1 + size
    if kind == 0:
        size, at = low, at + 1
    elif kind == 1:
        size, at = low << 8 | raw[at + 1], at + 2
    else:
        size, at = int.from_bytes(_exactly(raw, at + 1, 4), "big"), at + 5
    return _exactly(raw, at, size).decode("utf-8", "replace"), at + size


def _exactly(raw: bytes, at: int, size: int) -> bytes:
    if len(raw) < at + size:
        raise IndexError(at)
    return raw[at : at + size]
