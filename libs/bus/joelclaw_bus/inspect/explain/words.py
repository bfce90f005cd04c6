"""How facts are said: one line, whatever a stranger wrote into them. Pure."""

from __future__ import annotations

from joelclaw_bus.inspect.explain.situation import RunSituation
from joelclaw_bus.inspect.replies import number
from joelclaw_bus.inspect.spans import clock, span

LONGEST_VALUE = 80
LONGEST_ERROR = 300


def when(at_ms: int, now_ms: int) -> str:
    """A moment, and how far off it is."""
    far = f"in {span(at_ms - now_ms)}" if at_ms > now_ms else f"{span(now_ms - at_ms)} ago"
    return f"{clock(at_ms)} ({far})"


def due(s: RunSituation) -> str:
    """When its record says that it goes on."""
    return when(number(s.record.get("due")) or 0, s.now_ms)


def match(wanted: object) -> str:
    """What an awaited event must say."""
    if not isinstance(wanted, dict) or not wanted:
        return ""
    return " with " + ", ".join(f"{harmless(k)}={harmless(v)}" for k, v in wanted.items())


def harmless(value: object, longest: int = LONGEST_VALUE) -> str:
    """A value that a stranger may have chosen: on one line, moving no cursor, and no longer than a line can bear."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value)[:longest])
    return text if len(str(value)) <= longest else f"{text}…"


def error(text: str) -> str:
    """An error as a part of a line; the letter or the record has all of it."""
    return harmless(" ".join(text.split()), LONGEST_ERROR)


def many(count: int, what: str, *, more: bool = False) -> str:
    """`1 entry`, `3 entries`, `1000 entries or more`."""
    noun = what if count == 1 else f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count} {noun}{' or more' if more else ''}"
