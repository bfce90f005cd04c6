"""The grammar of names: events, the deployment prefix, patterns over events, event ids.

An event's name is a stream's key (after the prefix) and stands inside the braces of its companions' keys,
so a brace in it would move them to another cluster slot. What the grammar refuses is refused here, once.

    event name   [A-Za-z0-9][A-Za-z0-9._/-]*     1 to 200 bytes
    prefix       the same plus `:`               0 to 200 bytes; empty means none
    pattern      an event name in which `*` stands for any run of characters, `/` included
    event id     any text that is not blank; over 128 bytes it is replaced by its hash
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable

from .errors import EnvelopeInvalid, NameInvalid

MAX_NAME_BYTES = 200
MAX_ID_BYTES = 128

_NAME = "._/-"


def check_name(name: str) -> str:
    """`name`, if it is an event's name; else `NameInvalid` that says what is wrong with it."""
    return _check("event name", name, _NAME)


def check_prefix(prefix: str) -> str:
    """`prefix`, if it can stand before every event name. Empty is a prefix: none."""
    return prefix and _check("prefix", prefix, _NAME + ":")


def check_pattern(pattern: str) -> str:
    """`pattern`, if it is an event name with any number of `*` in it (`system/*`, `*`)."""
    return _check("pattern", pattern, _NAME + "*", first="*")


def matches(pattern: str, name: str) -> bool:
    """Whether `name` matches `pattern`. Only `*` is special; time is linear in stars times length."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def normal_id(event_id: str) -> str:
    """The event id as it is stored: itself up to 128 bytes, else `sha256:` and the hash of its UTF-8.

    Equal ids stay equal, so a long idempotency key from a foreign system still dedupes.
    Raises `EnvelopeInvalid` for a blank id and for text that is no Unicode.
    """
    if not event_id.strip():
        raise EnvelopeInvalid("id", "is empty; give an idempotency key, or leave the field out")
    try:
        raw = event_id.encode()
    except UnicodeEncodeError:
        raise EnvelopeInvalid("id", "holds half a surrogate pair, which is no Unicode text") from None
    return event_id if len(raw) <= MAX_ID_BYTES else "sha256:" + hashlib.sha256(raw).hexdigest()


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` was probably meant to be, case aside; None if nothing is near."""
    by_folded = {choice.casefold(): choice for choice in choices}
    # Bounded: difflib is quadratic, and the word may be a stranger's.
    close = difflib.get_close_matches(word[: 2 * MAX_NAME_BYTES].casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def _check(kind: str, name: str, extra: str, *, first: str = "") -> str:
    if not name:
        raise NameInvalid(kind, name, "is empty")
    if wrong := re.search(rf"[^A-Za-z0-9{re.escape(extra)}]", name):
        at = f"{wrong.group()!a} at character {wrong.start() + 1}"
        raise NameInvalid(kind, name, f"holds {at}; only A-Z a-z 0-9 {' '.join(extra)} may stand in it")
    if not re.match(rf"[A-Za-z0-9{re.escape(first)}]", name):
        raise NameInvalid(kind, name, f"starts with {name[0]!a}; it must start with a letter or a digit")
    if len(name) > MAX_NAME_BYTES:
        raise NameInvalid(kind, name, f"has {len(name)} bytes; {MAX_NAME_BYTES} is the most")
    return name
