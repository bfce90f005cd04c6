"""Raw replies as text and pairs. Whatever bytes a stranger stored, reading them never fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from joelclaw_bus.errors import BusError


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
    """JSON as what it says; text that is no JSON as itself."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def number(value: str | None) -> int | None:
    return int(value) if value and value.lstrip("-").isdigit() else None


def ms_of(entry: str) -> int:
    """When an entry was written: the first half of its id."""
    return int(entry.partition("-")[0] or 0)
