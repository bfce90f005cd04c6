"""Text of strangers on an operator's terminal: whatever it holds, it moves no cursor and colours nothing.

Targets, summaries, ids, errors, evidence and log lines are written by whoever reaches the store or a log. All that is
shown to people passes `visible`; all JSON passes `plain_json`.
"""

from __future__ import annotations

import re

_C0_DEL_C1 = r"\x00-\x1f\x7f-\x9f"
_SEPARATORS = r"\u2028\u2029"
_DIRECTION = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_HALVES = r"\ud800-\udfff"
_UNSAFE = re.compile(f"[{_C0_DEL_C1}{_SEPARATORS}{_DIRECTION}{_HALVES}]")
_UNSAFE_IN_JSON = re.compile(f"[\x7f-\x9f{_SEPARATORS}{_DIRECTION}{_HALVES}]")
_NAMED = {"\n": "⏎", "\t": "\\t", "\r": "\\r"}


def visible(text: str) -> str:
    r"""The text on one line: a newline as ⏎; controls, bidi controls and half characters as `\x1b`, `\u202e`."""
    return _UNSAFE.sub(_escape, text)


def plain_json(text: str) -> str:
    """JSON as an equal one that a terminal can show: `json.dumps` leaves DEL, C1, bidi controls and halves raw."""
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return _NAMED.get(char) or (f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}")
