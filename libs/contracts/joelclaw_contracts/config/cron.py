"""Whether a text has the shape of a schedule: an optional `TZ=Area/City`, then five fields in their ranges.

The bus's cron library has the last word (it knows the time zones and which dates exist); this refuses what can't
be a schedule, so that a slip is named with its key before anything starts.
"""

from __future__ import annotations

import re

_ZONE = re.compile(r"TZ=[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_VALUE = r"(?:\*|[0-9]{1,2}|[A-Za-z]{1,4})"
_PART = re.compile(rf"({_VALUE})(?:-({_VALUE}))?(?:/([0-9]{{1,2}})|#[1-5])?")


def cron_problem(text: str) -> str | None:
    """What is wrong with the schedule, as the rest of a sentence; None if it has the shape of one."""
    words = text.split()
    if words and words[0].startswith("TZ="):
        zone = words.pop(0)
        if not _ZONE.fullmatch(zone):
            return f"names the time zone {zone[3:]!r}, which is none"
    if len(words) != len(_FIELDS):
        return f"has {len(words)} fields"
    for word, (name, low, high) in zip(words, _FIELDS, strict=True):
        for part in word.split(","):
            if not _in_range(part, low, high):
                return f"has the {name} {word!r}, outside {low}-{high}"
    return None


def _in_range(part: str, low: int, high: int) -> bool:
    found = _PART.fullmatch(part)
    if not found:
        return False
    first, last, step = found.groups()
    if step and int(step) == 0:
        return False
    return all(low <= int(end) <= high for end in (first, last) if end and end.isdigit())
