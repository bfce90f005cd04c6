"""JSON as both the events and the configuration read it: RFC 8259, and nothing that could be read two ways.

Python's own parser is lenient where producers of events are not to be guessed at. Here:

    NaN, Infinity, 1e999     refused: no other JSON reader knows them
    a key twice              refused: readers differ on which one counts
    deeper than 64           refused, so that neither a reader nor a writer can run out of stack
    "\\ud83d" alone          becomes U+FFFD: JavaScript cuts strings inside a pair, and a failure report
                             must not be lost for half an emoji
    "\\u0000"                kept
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 64

_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


class NotStrictJson(ValueError):
    """Text that is not strict JSON. `line` and `column` count from 1, None where no place is known."""

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        self.problem = problem
        self.line = line
        self.column = column
        super().__init__(problem if line is None else f"{problem} at line {line} column {column}")


def loads(raw: bytes | str) -> Any:
    """The value that `raw` (UTF-8 if bytes) holds; raises `NotStrictJson` only."""
    text = _decode(raw)
    try:
        value = _PARSER.decode(text)
    except NotStrictJson:
        raise
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"is not JSON: {error.msg}", error.lineno, error.colno) from None
    except RecursionError:
        raise NotStrictJson(f"is nested deeper than {MAX_DEPTH} levels") from None
    # The bracket count bounds the depth from above and spares the usual payload a walk.
    if text.count("{") + text.count("[") > MAX_DEPTH or _HALF_PAIR.search(text):
        return check(value, mend=True)
    return value


def check(value: Any, *, mend: bool = False, depth: int = 1) -> Any:
    """A copy of `value` that any JSON writer can write; raises `NotStrictJson`.

    Tuples become lists. Half surrogate pairs are replaced if `mend`, else refused.
    """
    if depth > MAX_DEPTH and isinstance(value, list | tuple | dict):
        raise NotStrictJson(f"is nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | bool():
            return value
        case int():
            return int(value)
        case float():
            return _finite(float(value))
        case str():
            return _text(value, mend)
        case list() | tuple():
            return [check(item, mend=mend, depth=depth + 1) for item in value]
        case dict():
            return {_key(k, mend): check(item, mend=mend, depth=depth + 1) for k, item in value.items()}
        case _:
            raise NotStrictJson(f"holds a {type(value).__name__}, which JSON can't say")


def _decode(raw: bytes | str) -> str:
    if isinstance(raw, str):
        return _text(raw, mend=True)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        raise NotStrictJson(f"is not UTF-8: byte 0x{byte:02x} at offset {error.start}") from None


def _text(value: str, mend: bool) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        if not mend:
            raise NotStrictJson("holds half a surrogate pair, which is no Unicode text") from None
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _key(key: object, mend: bool) -> str:
    if not isinstance(key, str):
        raise NotStrictJson(f"has a key of type {type(key).__name__}; JSON keys are strings")
    return _text(key, mend)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NotStrictJson(f"holds the key {json.dumps(twice)} twice in one object")
    return found


def _constant(text: str) -> NoReturn:
    raise NotStrictJson(f"holds {text}, which is not JSON")


def _finite(number: float, text: str | None = None) -> float:
    if not math.isfinite(number):
        raise NotStrictJson(f"holds the number {text or number}, which JSON can't carry")
    return number


def _float(text: str) -> float:
    return _finite(float(text), text[:40])


def _int(text: str) -> int:
    # Longer than any counter: Python would refuse 4,301 digits later, when somebody prints them.
    if len(text) > 400:
        raise NotStrictJson(f"holds a number of {len(text)} digits")
    return int(text)


_PARSER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int)
"""Made once: json.loads makes one each time that it is given a hook."""
