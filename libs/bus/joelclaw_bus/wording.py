"""Errors as one bounded line without secrets: they are kept in records and dead letters, shown and sent."""

from __future__ import annotations

from joelclaw_contracts.redact import redact_text

LONGEST = 2000


def line(text: str) -> str:
    """One line, bounded. Half a surrogate (a file's name) can't be sent: it is spelt out. Client libraries like to put
    the address that they called into their errors, with its password."""
    return " ".join(redact_text(text.encode("utf-8", "backslashreplace").decode()).split())[:LONGEST]


def line_of(error: BaseException) -> str:
    """The error's kind and text, as one line."""
    return line(f"{type(error).__name__}: {error}")
