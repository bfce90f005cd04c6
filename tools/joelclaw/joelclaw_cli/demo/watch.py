"""Waiting for what will be seen: looks, again and again, until it is there or too late."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio

T = TypeVar("T")
EVERY, PATIENCE = 0.05, 30.0


class NotSeen(Exception):
    """What was waited for did not come."""


async def until(what: str, look: Callable[[], Awaitable[T | None]], *, seconds: float = PATIENCE) -> T:
    """The first that `look` finds. NotSeen names `what`."""
    end = anyio.current_time() + seconds
    while (found := await look()) is None:
        if anyio.current_time() > end:
            raise NotSeen(f"{what} was not seen within {seconds:g} s")
        await anyio.sleep(EVERY)
    return found


def lines_of(journal: Path) -> list[dict[str, Any]]:
    """What the demo's own processes wrote down, a JSON object a line; none before the first."""
    try:
        return [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return []
