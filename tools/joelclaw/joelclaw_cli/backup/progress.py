"""How far a long read is, for people: bytes, rate and what remains, on stderr. Programs and pipes see nothing of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def how_far(told: dict[str, Any]) -> str:
    """A transfer that the service makes at this moment: bytes, rate, what remains."""
    left = told["remainingSeconds"]
    remains = f", {left:,.0f} s remain" if left is not None else ""
    rate = told["bytesPerSecond"] / 1_000_000
    return f"{told['doneBytes']:,} of {told['totalBytes']:,} bytes, {rate:,.1f} MB/s{remains} ({told['mode']})"


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Call it with how many bytes were handled since the last call; total: None where it is not known."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
