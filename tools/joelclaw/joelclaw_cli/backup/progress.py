"""How far a long read is, for people: bytes, rate and what remains, on stderr. Programs and pipes see nothing of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from joelclaw_cli.safe import visible

OFTEN = 0.5
ERASE = "\r\x1b[K"


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


class Line:
    """What a run that another process makes says on stderr: a line for each step, and below them, on a terminal, one
    that tells how far its transfer is."""

    def __init__(self, ask: Callable[[], dict[str, Any] | None], out: TextIO) -> None:
        self._ask, self._out, self._live = ask, out, out.isatty()
        self._asked, self._shown = 0.0, ""

    def say(self, what: str) -> None:
        self.clear()
        print(f"… {visible(what)}", file=self._out, flush=True)

    def turn(self) -> None:
        """Looks again, at most twice a second."""
        if self._live and time.monotonic() - self._asked >= OFTEN:
            self._asked, told = time.monotonic(), self._ask()
            text = f"… {visible(told['what'])}: {how_far(told)}" if told else ""
            if text != self._shown:
                print(f"{ERASE}{text}", end="", file=self._out, flush=True)
                self._shown = text

    def clear(self) -> None:
        if self._shown:
            print(ERASE, end="", file=self._out, flush=True)
            self._shown = ""


@contextmanager
def transfer_line(ask: Callable[[], dict[str, Any] | None]) -> Iterator[Line]:
    """Such a line, gone from the terminal with the block."""
    line = Line(ask, sys.stderr)
    try:
        yield line
    finally:
        line.clear()
