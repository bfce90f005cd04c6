"""Which errors say that an endpoint could not be reached, and which endpoint. Pure: text in, finding out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from joelclaw_bus.inspect.runs import RunFacts

_KINDS = (
    ("sdk-unreachable", re.compile(r"unable to reach sdk url", re.IGNORECASE)),
    ("refused", re.compile(r"connection refused|econnrefused|errno 111|all connection attempts failed", re.IGNORECASE)),
    (
        "name",
        re.compile(
            r"name or service not known|temporary failure in name resolution|getaddrinfo|enotfound"
            r"|nodename nor servname|name resolution",
            re.IGNORECASE,
        ),
    ),
    ("time-out", re.compile(r"connect(ion)? timed? ?out|timed? ?out.{0,40}connect|etimedout|errno 110", re.IGNORECASE)),
    ("unreachable", re.compile(r"(host|network) is unreachable|no route to host|e(host|net)unreach", re.IGNORECASE)),
)
_URL = re.compile(r"\b(?:https?|rediss?|wss?)://(?:[^\s/@'\"]*@)?([^\s/?#'\"<>()]+)", re.IGNORECASE)
_HOST = r"((?:\d{1,3}\.){3}\d{1,3}|\[[0-9a-f:]+\]|[a-z0-9][a-z0-9.-]*)"
_ADDRESS = re.compile(rf"\b(?:host +{_HOST} +port +|{_HOST}:)(\d{{2,5}})\b", re.IGNORECASE)
UNNAMED = "unnamed"
SAMPLES = 6


@dataclass(frozen=True, slots=True)
class Finding:
    """Failed runs of one endpoint. `runs`: the latest first; `kinds`: how often which."""

    endpoint: str
    kinds: dict[str, int]
    runs: tuple[str, ...]


def kind_of(error: str) -> str | None:
    """The kind of unreachability that an error speaks of; None for any other error."""
    return next((name for name, pattern in _KINDS if pattern.search(error)), None)


def endpoint_of(error: str) -> str:
    """host:port as the error names it, without user or password; `unnamed` if it names none."""
    if found := _URL.search(error):
        return found[1].lower().rstrip(".,;:")
    if found := _ADDRESS.search(error):
        return f"{(found[1] or found[2]).lower()}:{found[3]}"
    return UNNAMED


def findings_of(runs: Iterable[RunFacts]) -> list[Finding]:
    """Grouped by endpoint, the most runs first."""
    grouped: dict[str, list[tuple[str, str]]] = {}
    for run in runs:
        if kind := kind_of(run.error):
            grouped.setdefault(endpoint_of(run.error), []).append((kind, run.id))
    found = [
        Finding(endpoint, {k: [kind for kind, _ in rows].count(k) for k, _ in rows}, tuple(run for _, run in rows))
        for endpoint, rows in grouped.items()
    ]
    return sorted(found, key=lambda finding: -len(finding.runs))
