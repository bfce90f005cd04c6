"""Who knows what about which domain, and who answers for it (CONTRACT 1: one owner per domain)."""

from __future__ import annotations

from joelclaw_router.adapters.adapter import Adapter, Symptom
from joelclaw_router.adapters.backup import BackupAdapter

__all__ = ["ADAPTERS", "ELSEWHERE", "Adapter", "BackupAdapter", "Symptom", "adapter_of", "is_ours"]

ADAPTERS: dict[str, Adapter] = {"backup": BackupAdapter()}
"""Domains with particulars. All others have the plain adapter."""

ELSEWHERE = frozenset({"inngest-runtime", "sdk-reachability"})
"""Domains whose owner is another service: it alone answers and retries."""

_PLAIN = Adapter()


def adapter_of(domain: str) -> Adapter:
    return ADAPTERS.get(domain, _PLAIN)


def is_ours(domain: str) -> bool:
    """Whether this service answers for the domain."""
    return domain not in ELSEWHERE
