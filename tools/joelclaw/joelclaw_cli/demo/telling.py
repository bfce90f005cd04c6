"""How the demo speaks: a headline an act, a line an event with the seconds since the start.

On a terminal on stdout, in colour; for programs as plain lines on stderr, since stdout is the envelope's.
"""

from __future__ import annotations

import time
from contextlib import suppress

from rich.console import Console
from rich.text import Text

from joelclaw_cli.demo.proofs import Verdict
from joelclaw_cli.render import console


class Teller:
    """`plain`: lines without colour, on stderr."""

    def __init__(self, *, plain: bool) -> None:
        self._began = time.monotonic()
        self._plain = plain
        self._screen = Console(stderr=True, highlight=False, no_color=True) if plain else console()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def headline(self, number: int, title: str) -> None:
        self.gap()
        self._write(Text(f"{number}. {title}", style="bold"))

    def gap(self) -> None:
        self._write(Text())

    def line(self, sentence: str, *, style: str = "") -> None:
        """Something that was done, or seen."""
        self._write(Text.assemble((f"{self.seconds:6.1f} s  ", "dim"), (sentence, style)))

    def verdict(self, verdict: Verdict) -> None:
        """Each proof on a line; what kept the act from its end on the last."""
        for proof in verdict.proofs:
            mark, style = ("✓", "green") if proof.held else ("✗", "bold red")
            self._write(Text.assemble((f"       {mark} ", style), (proof.claim, "bold"), f": {proof.seen}"))
        if verdict.why:
            self._write(Text(f"       ✗ {verdict.why}", style="bold red"))

    def _write(self, text: Text) -> None:
        with suppress(OSError):  # who looked has gone; the demo still ends in order
            self._screen.print(text, soft_wrap=True)
