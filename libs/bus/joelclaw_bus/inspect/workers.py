"""Which workers live, by their heartbeats. A heartbeat is written only after a read cycle that ended well."""

from __future__ import annotations

import json
from dataclasses import dataclass

from joelclaw_bus.inspect.replies import pairs
from joelclaw_bus.store import Store

LIVE_MS = 30_000
"""Older than this is not alive: two leases of the default, six of its heartbeats."""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """age_ms: of its last heartbeat, by the store's clock; in_hand: deliveries it had then; started_ms: when its
    process started, 0 if it does not say; service, pid: whose worker it is; config: the hash of the configuration in
    force there, refused: why a newer one is not ('' where nothing is said)."""

    id: str
    age_ms: int
    in_hand: int
    functions: tuple[str, ...]
    started_ms: int = 0
    service: str = ""
    pid: int = 0
    config: str = ""
    refused: str = ""

    @property
    def live(self) -> bool:
        return self.age_ms <= LIVE_MS


async def list_workers(store: Store) -> list[WorkerFacts]:
    """All that have a heartbeat, the freshest first. One that can't be read is as old as can be."""
    now = await store.time_ms()
    rows = pairs(await store.call("HGETALL", store.keys.workers))
    return sorted((_facts(name, text, now) for name, text in rows.items()), key=lambda worker: worker.age_ms)


async def registered_functions(store: Store) -> list[str]:
    """Every function that a worker ever registered, sorted; whether somebody runs it, its workers say."""
    return sorted(key.decode("utf-8", "replace") for key in await store.call("HKEYS", store.keys.functions))


def _facts(name: str, text: str, now: int) -> WorkerFacts:
    try:
        raw = json.loads(text)
        started = int(raw.get("started", 0))
        age, functions = max(0, now - int(raw["at"])), tuple(raw["functions"])
        said = [str(raw.get(key) or "") for key in ("service", "pid", "config", "configRefused")]
        pid = int(said[1]) if said[1].isdigit() else 0
        return WorkerFacts(name, age, int(raw["inHand"]), functions, started, said[0], pid, said[2], said[3])
    except (ValueError, KeyError, TypeError, RecursionError):
        return WorkerFacts(name, now, 0, ())
