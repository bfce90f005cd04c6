"""Errors as one bounded line: they are kept, shown and sent."""

from __future__ import annotations

LONGEST = 2000


def line(text: str) -> str:
    """One line, bounded. Half a surrogate (a file's name) can't be sent: it is spelt out."""
    return " ".join(text.encode("utf-8", "backslashreplace").decode().split())[:LONGEST]


def line_of(error: BaseException) -> str:
    """The error's kind and text, as one line."""
    return line(f"{type(error).__name__}: {error}")
