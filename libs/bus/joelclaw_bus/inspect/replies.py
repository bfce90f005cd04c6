"""Raw replies as text and pairs. Whatever bytes a stranger stored, reading them never fails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from joelclaw_bus.errors import BusError
from joelclaw_contracts import strict_json

RAW = 2000  # characters of what is no JSON


def text(raw: Any) -> str:
    """A reply as text; bytes that are no UTF-8 are shown as `\\x..`."""
    if isinstance(raw, bytes):
        return raw.decode("utf-8", "backslashreplace")
    return "" if raw is None else str(raw)


def pairs(flat: Sequence[Any]) -> dict[str, str]:
    """`[name, value, …]` as a dictionary."""
    return {text(flat[i]): text(flat[i + 1]) for i in range(0, len(flat) - 1, 2)}


def sound(reply: Any) -> Any:
    """A pipeline's reply, or its refusal raised: what can't be read must not look empty."""
    if isinstance(reply, BusError):
        raise reply
    return reply


def parsed(value: str) -> Any:
    """Strict JSON as what it says; any other text as itself, of a long one the beginning."""
    try:
        return strict_json.loads(value)
    except strict_json.NotStrictJson:
        return value if len(value) <= RAW else f"{value[:RAW]}… ({len(value):,} characters)"


def number(value: str | None) -> int | None:
    """A whole number as this suite writes them; None for all else."""
    return int(value) if value and re.fullmatch(r"-?[0-9]{1,18}", value) else None


def ms_of(entry: str) -> int:
    """When an entry was written: the first half of its id."""
    return int(entry.partition("-")[0] or 0)


def attempts(record: dict[str, str]) -> dict[int, str]:
    """What each failed attempt said, of a record's fields `x:N`."""
    found = {number(name[2:]): said for name, said in record.items() if name.startswith("x:")}
    return {n: said for n, said in found.items() if n is not None}
