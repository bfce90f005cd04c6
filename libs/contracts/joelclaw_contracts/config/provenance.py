"""Where each effective value came from, the redaction of what must not be shown, and the configuration's hash."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

Origin = Literal["default", "file", "environment"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from: `where` is `default`, `<file>: <key>`, or the variable's name."""

    origin: Origin = "default"
    where: str = "default"


@dataclass(frozen=True, slots=True)
class Provenance:
    """One effective value as people may see it (secrets redacted), and where it came from."""

    key: str
    value: Any
    origin: Origin
    where: str


def redacted(value: Any) -> Any:
    """The value as JSON, with what a URL may hide removed.

    An address keeps its host and path, but no user, password or query; any other URL (an alert channel,
    whose every part may be a token) keeps its scheme.
    """
    match value:
        case str():
            return _redacted_text(value)
        case list() | tuple():
            return [redacted(item) for item in value]
        case dict():
            return {key: redacted(item) for key, item in value.items()}
    return value


def _redacted_text(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    if scheme not in ("redis", "rediss", "unix"):
        return f"{scheme}://***"
    bare = re.sub(r"[?#].*", "", rest, flags=re.DOTALL)
    credentials, at, place = bare.rpartition("@")
    return f"{scheme}://{'***@' if at and credentials else ''}{place}"


def digest(values: dict[str, Any]) -> str:
    """SHA-256 (hex) over the canonical JSON of the redacted effective values: same settings, same hash."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
