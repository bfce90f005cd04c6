"""How things look to people: one console, tables, times, sizes. Nothing here fetches.

Every text is a stranger's until proven otherwise: all of it passes `safe.visible`, and none of it is read as markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from joelclaw_cli.safe import visible

# What people look for first in an event's data; the rest follows as it came.
_FIRST = (
    *("status", "rule", "action", "reason", "error", "dueAt", "attempt", "nextAttempt", "incidentId"),
    *("domain", "target", "targetComponent", "problemSummary", "channel", "text", "mode"),
)

_END_OF_TIME = 253_402_214_400_000  # the last day of the year 9999

_STATES = {
    "completed": "green",
    "remediated": "green",
    "ok": "green",
    "info": "green",
    "failed": "red",
    "failing": "bold red",
    "finding": "bold red",
    "warning": "yellow",
    "not known": "bold yellow",
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
    return Console(highlight=False, markup=False, emoji=False)


def text(value: object, style: str = "") -> Text:
    """Anything as it may be shown; a Text keeps its own style."""
    if isinstance(value, Text):
        return Text(visible(value.plain), style=value.style)
    return Text(visible(str(value)), style=style)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    empty: str,
    drop: Sequence[str] = (),
    shorten: Sequence[str] = (),
) -> RenderableType:
    """A plain table; `empty` is the sentence that stands where there is nothing. `>name` aligns right.

    On a narrow screen the last column gives way first, then those in `drop`, in that order; then the last column goes
    to a line of its own below each row, and at the very end those in `shorten` are cut. All others stay whole.
    """
    cells = [[text(cell) for cell in row] for row in rows]
    return _Table(columns, cells, drop, shorten) if cells else text(empty, "dim")


LEAST = 24  # a last column that is narrower says nothing
GAP = 2


class _Table:
    def __init__(
        self, columns: Sequence[str], rows: list[list[Text]], drop: Sequence[str], shorten: Sequence[str]
    ) -> None:
        self._names = [column.removeprefix(">") for column in columns]
        self._right = [column.startswith(">") for column in columns]
        self._rows, self._drop, self._shorten = rows, drop, shorten
        heads = [[Text(name, style="bold") for name in self._names]]
        self._all = heads + rows
        self._widths = [max(cell_len(row[i].plain) for row in self._all) for i in range(len(columns))]

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> Iterator[Text]:
        last = len(self._names) - 1
        any_last = any(row[last].plain for row in self._rows)
        room = min(LEAST, self._widths[last]) if any_last else 0
        front = self._front(options.max_width - room)
        stacked = front is None
        if front is None:
            front = self._front(options.max_width + GAP) or self._dropped(len(self._drop))
        widths = self._cut(front, options.max_width) if stacked else dict.fromkeys(front, 0) | self._of(front)
        for row in self._all:
            line = Text(no_wrap=not stacked, overflow="fold" if stacked else "ellipsis")
            for i in front:
                cell = row[i].copy()
                cell.truncate(widths[i], overflow="ellipsis")
                fill = " " * (widths[i] - cell_len(cell.plain))
                line.append_text(Text(fill) + cell if self._right[i] else cell + Text(fill)).append(" " * GAP)
            if not stacked:
                line.append_text(row[last])
            line.rstrip()
            yield line
            if stacked and row[last].plain:
                yield Text("  ", no_wrap=True, overflow="ellipsis").append_text(row[last])

    def _front(self, room: int) -> list[int] | None:
        """The columns before the last one that fit into `room`, as many as can be; None if even the fewest don't."""
        for gone in range(len(self._drop) + 1):
            kept = self._dropped(gone)
            if sum(self._widths[i] + GAP for i in kept) <= room:
                return kept
        return None

    def _dropped(self, count: int) -> list[int]:
        return [i for i, name in enumerate(self._names[:-1]) if name not in self._drop[:count]]

    def _of(self, columns: list[int]) -> dict[int, int]:
        return {i: self._widths[i] for i in columns}

    def _cut(self, columns: list[int], room: int) -> dict[int, int]:
        widths = self._of(columns)
        for name in self._shorten:
            i = self._names.index(name)
            over = sum(widths.values()) + GAP * (len(columns) - 1) - room
            if i in widths and over > 0:
                widths[i] = min(widths[i], max(8, widths[i] - over))
        return widths


def part(shown: int, total: int, what: str) -> Iterator[RenderableType]:
    """The line below a list that does not hold all there is."""
    if shown < total:
        yield text(f"{shown} of {total} {what}; --limit shows more", "dim")


def fields(pairs: Iterable[tuple[str, object]]) -> RenderableType:
    """Names and values below each other; empty values are left out."""
    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="dim")
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", [], {}):
            drawn.add_row(text(name), text(value))
    return drawn


def state(word: str) -> Text:
    """A state, in its colour."""
    return text(word, _STATES.get(word, ""))


def good(sentence: str) -> Text:
    return Text("✓ ", style="green").append(visible(sentence), style="default")


def warning(sentence: str) -> Text:
    return text(sentence, "bold yellow")


def clock(ms: int | None) -> str:
    """A moment in the operator's own time zone, its date only when it is not today's."""
    if not ms:
        return ""
    if not 0 < ms < _END_OF_TIME:  # a stranger's number
        return f"{ms:.6g}"
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


def shortened(words: str, width: int = 80) -> str:
    """One line of at most `width` characters."""
    line = visible(" ".join(words.split()))
    return line if len(line) <= width else line[: width - 1] + "…"


def words(data: object, *, first: Sequence[str] = _FIRST) -> str:
    """An event's data for a line: `name=value`, those in `first` first. Text that is no object stays as it is."""
    if not isinstance(data, dict):
        return data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    names = [*(n for n in first if n in data), *(n for n in data if n not in first)]
    return " ".join(f"{n}={v if isinstance(v := data[n], str) else json.dumps(v, ensure_ascii=False)}" for n in names)
