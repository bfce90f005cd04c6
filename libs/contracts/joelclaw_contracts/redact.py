"""What must not be told: secrets, taken out of everything that leaves as a log line or as evidence.

| where                                              | becomes                        |
|----------------------------------------------------|--------------------------------|
| a password in an address                           | `redis://user:***@host`        |
| a field named `*key`, `*token`, `*password`, …     | `***`                          |
| `token=…`, `"password": "…"`, `Bearer …` in a text | the same, with `***` behind it |
| what is known by its form: `AKIA…`, `ghp_…`, `sk-…` | the form, with `***` behind it |
| evidence of a `type` that is named like a secret   | its `detail` is `***`          |

Knows no logging and no evidence: values in, plain JSON values out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

HIDDEN = "***"
_SAFE_INT = 2**53 - 1  # beyond it readers in other languages see another number, and some refuse it
_DEPTH = 8  # deeper structures are shown as text: a value that holds itself must end somewhere
_SECRET_ENDS = ("key", "token", "password", "passwd", "secret", "authorization", "credential", "credentials")
_NO_SECRETS = frozenset(
    {"dedupekey", "rediskey", "storekey", "permitkey", "idempotencykey", "stepkey", "runcontextkey"}
)
_URL = re.compile(r"([a-z][a-z0-9+.-]{0,20}://[^\s:/@\"'?#]*):[^\s\"'/?#]*@", re.IGNORECASE)
_PAIR = re.compile(
    r"\b([\w-]{0,40}(?:token|password|passwd|secret|(?:api|access|private|secret)[_-]?key))"
    r"([\"']?\s{0,4}[=:]\s{0,4}[\"']?)[^\s\"'&,;}]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_HEADER = re.compile(r"\b(Authorization[\"']?\s{0,4}[=:]\s{0,4}[\"']?)(?!Bearer\b|Basic\b)[^\s\"',;}]+", re.IGNORECASE)
_FORMS = re.compile(r"\b(AKIA|ASIA|gh[opsur]_|github_pat_|glpat-|xox[abprs]-|sk-)[\w-]{12,}")
"""Keys of AWS, GitHub, GitLab, Slack, and those that model services and payment services begin with `sk-`."""


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret. The few keys that are addresses, not secrets, are listed above."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain.endswith(_SECRET_ENDS) and plain not in _NO_SECRETS


def redact_text(text: str) -> str:
    """The text without passwords, tokens and keys, and without lone surrogates, which UTF-8 can't carry."""
    text = text.encode("utf-8", "replace").decode()
    text = _URL.sub(rf"\1:{HIDDEN}@", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _FORMS.sub(rf"\1{HIDDEN}", text)
    return _PAIR.sub(rf"\1\2{HIDDEN}", text)


def redact(value: object, depth: int = _DEPTH) -> object:
    """The value as plain JSON values, without secrets. NaN and infinities become None: JSON knows neither."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _SAFE_INT else _text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return redact_text(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping) and depth:
        hidden = {str(k) for k in value if is_secret(str(k))} | _secret_evidence(value)
        return {
            redact_text(str(k)): HIDDEN if v and str(k) in hidden else redact(v, depth - 1) for k, v in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [redact(v, depth - 1) for v in value]
    return redact_text(_text(value))


def _secret_evidence(value: Mapping[object, object]) -> set[str]:
    """Evidence names in `type` what its `detail` is. `key` alone is a store's key there, and no secret."""
    kind = value.get("type")
    return {"detail"} if isinstance(kind, str) and kind.lower() != "key" and is_secret(kind) else set()


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # anybody's __str__; a line about it must still go out
        return f"<a {type(value).__name__} that can't be shown>"
