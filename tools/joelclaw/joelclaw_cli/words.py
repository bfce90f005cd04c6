"""A word that an operator gives: an id, a name, a reason. What can't be one is refused before anything is asked.

A shell hands on any bytes. Those that are no UTF-8 come as half characters, which nothing that was ever stored holds,
and no store takes.
"""

from __future__ import annotations

from typing import Any

import click


class Prose(click.ParamType[str]):
    """Text that can be stored and said."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if any("\ud800" <= c <= "\udfff" for c in text):
            self.fail("it holds bytes that are no UTF-8", param, ctx)
        return text


class Word(Prose):
    """The same, and not empty. Controls may stand in it: a stranger's event id holds what it likes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = super().convert(value, param, ctx)
        if not text.strip():
            self.fail("it is empty", param, ctx)
        return text


PROSE, WORD = Prose(), Word()
