"""The coverage table: what is checked, how, what follows, and who answers. "Alert only" is said aloud.

A remedy is offered only where its owner is registered on this bus: a request that nobody answers helps nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from joelclaw_contracts import CoverageRow

ALERT_ONLY = "alert only"
RUNTIME_DOMAIN, RUNTIME_OWNER = "inngest-runtime", "system/self-healing.inngest-runtime"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of check. `part`: which mode of a round includes it; `domain`: who is asked to remedy ('' nobody),
    and `healer` the function that owns this domain; `hint`: the first thing a person would try."""

    condition: str
    part: Literal["core", "signals"]
    check: str
    hint: str
    domain: str = ""
    healer: str = ""

    def remedy(self, functions: frozenset[str]) -> str:
        """The domain that can be asked, given what is registered; '' is alert only."""
        return self.domain if self.healer in functions else ""


KINDS: dict[str, Kind] = {
    kind.condition: kind
    for kind in (
        Kind("data-path", "core", "write, read back and delete a key, with a deadline", "joelclaw doctor"),
        Kind("persistence", "core", "whether anything is written to disk: append-only file, snapshots, their errors",
             "joelclaw doctor says which; free the store's disk, or set appendonly yes"),
        Kind("heartbeat", "core", "age of the freshest heartbeat, which follows a successful read",
             "look at the service's log, then restart it", RUNTIME_DOMAIN, RUNTIME_OWNER),
        Kind("http", "core", "GET /ready of each live worker", "look at the reasons that /ready gives",
             RUNTIME_DOMAIN, RUNTIME_OWNER),
        Kind("destination", "core", "write, fsync, read back and delete a file in a child with a time-out; free space",
             "mount it again, or free space on it; backups retry by themselves"),
        Kind("waiting", "signals", "age of the oldest entry that is unread or in hand",
             "joelclaw bus runs; more replicas, or a stuck run"),
        Kind("artefact", "signals", "age, size, last drill of the newest verified backup; damaged ones",
             "joelclaw backup list"),
        Kind("readiness", "core", "GET runtime.url, which answers 2xx when the runtime is ready",
             "joelclaw inngest status", RUNTIME_DOMAIN, RUNTIME_OWNER),
        Kind("configuration", "core", "whether a worker refused the configuration that it was told to read",
             "joelclaw nas config check, mend it, then joelclaw nas config reload"),
        Kind("outside", "core", "the last heartbeat to health.heartbeatUrl, the dead-man's switch",
             "look at that service and at this machine's way out"),
        Kind("connectivity", "core", "a connection to any of health.canaries",
             "look at this machine's network first; nothing acts meanwhile"),
        Kind("blindness", "core", "whether any probe of a kind succeeds anywhere",
             "look at this service's own network and clock first"),
    )
}  # fmt: skip


def row(
    component: str, condition: str, *, functions: frozenset[str], owner: str, configured: bool = True, note: str = ""
) -> CoverageRow:
    """One line of the table."""
    kind = KINDS[condition]
    domain = kind.remedy(functions)
    remediation = f"{domain}, on its own evidence" if domain else ALERT_ONLY
    return CoverageRow(
        component=component, condition=condition, configured=configured, check=kind.check,
        remediation=remediation, owner=owner, note=note,
    )  # fmt: skip
