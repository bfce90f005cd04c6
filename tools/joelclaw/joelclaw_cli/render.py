"""How things look to people: one console, tables, times, sizes. Nothing here fetches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

# What people look for first in an event's data; the rest follows as it came.
_FIRST = (
    *("status", "rule", "action", "reason", "error", "dueAt", "attempt", "nextAttempt", "incidentId"),
    *("domain", "target", "targetComponent", "problemSummary", "channel", "text", "mode"),
)

_STATES = {
    "completed": "green",
    "remediated": "green",
    "ok": "green",
    "info": "green",
    "failed": "red",
    "failing": "bold red",
    "unknown": "yellow",
    "not configured": "dim",
    "error": "red",
    "fatal": "bold red",
    "exhausted": "red",
    "invalid": "red",
    "escalated": "red",
    "blocked": "yellow",
    "warn": "yellow",
    "held": "yellow",
    "due": "yellow",
    "waiting": "yellow",
    "running": "cyan",
    "queued": "cyan",
    "scheduled": "cyan",
    "skipped": "dim",
    "noop": "dim",
    "debug": "dim",
}


def console() -> Console:
    """The screen of this process."""
    return Console(highlight=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> RenderableType:
    """A plain table; `empty` is the sentence that stands where there is nothing. `>name` aligns right.

    Names and ids are shown whole, so that they can be copied; the last column gives way on a narrow screen.
    """
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column.startswith(">")
        drawn.add_column(column.removeprefix(">"), justify="right" if right else "left", no_wrap=column != columns[-1])
    for row in rows:
        *front, last = (cell if isinstance(cell, Text) else Text(str(cell)) for cell in row)
        last.no_wrap, last.overflow = True, "ellipsis"
        drawn.add_row(*front, last)
    return drawn if drawn.row_count else Text(empty, style="dim")


def fields(pairs: Iterable[tuple[str, object]]) -> RenderableType:
    """Names and values below each other; empty values are left out."""
    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="dim")
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", [], {}):
            drawn.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    return drawn


def state(word: str) -> Text:
    """A state, in its colour."""
    return Text(word, style=_STATES.get(word, ""))


def good(sentence: str) -> Text:
    return Text("✓ ", style="green").append(sentence, style="default")


def warning(sentence: str) -> Text:
    return Text(sentence, style="bold yellow")


def clock(ms: int | None) -> str:
    """A moment in the operator's own time zone, its date only when it is not today's."""
    if not ms:
        return ""
    moment, today = datetime.fromtimestamp(ms / 1000, UTC).astimezone(), datetime.now(UTC).astimezone().date()
    return moment.strftime("%H:%M:%S" if moment.date() == today else "%Y-%m-%d %H:%M:%S")


def span(ms: int | float) -> str:
    """A length of time: 340 ms, 12 s, 5 min, 3 h, 2 d."""
    seconds = abs(ms) / 1000
    for limit, unit, size in ((60, "s", 1), (3600, "min", 60), (86400, "h", 3600)):
        if seconds < 1:
            return f"{abs(ms):.0f} ms"
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def relative(ms: int | None, now: int) -> str:
    """`in 5 min`, `3 s ago`."""
    if not ms:
        return ""
    return f"in {span(ms - now)}" if ms > now else f"{span(now - ms)} ago"


def shortened(text: str, width: int = 80) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def words(data: object) -> str:
    """An event's data for a line: `name=value`, what matters first. Text that is no object stays as it is."""
    if not isinstance(data, dict):
        return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    names = [*(n for n in _FIRST if n in data), *(n for n in data if n not in _FIRST)]
    return " ".join(f"{n}={v if isinstance(v := data[n], str) else json.dumps(v, ensure_ascii=False)}" for n in names)
