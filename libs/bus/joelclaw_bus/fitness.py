"""Whether a server can carry the bus, and what its settings promise: facts for the start and for operators."""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_bus.durability import ASKED, PAUSED, Durability, Promise, facts_of, hindrance, promise
from joelclaw_bus.errors import StoreRefused, StoreUnfit
from joelclaw_bus.store import Store

OLDEST = (7, 0)


@dataclass(frozen=True, slots=True)
class Fitness:
    """`warnings`: what makes a promise weaker than it could be, each with its remedy."""

    server: str
    version: str
    warnings: tuple[str, ...]
    promise: Promise
    """What the store's durability level promises on this server."""


async def check_fitness(store: Store) -> Fitness:
    """The server's fitness, of a cluster each node's; StoreUnfit when one is too old, or can't give the durability
    level. StoreRefused NOTDURABLE while too few replicas are online. StoreUnavailable, StoreRefused."""
    nodes = [await _of_node(store, node) for node in await store.node_names()]
    # The weakest speaks for all: a promise holds only where every node keeps it.
    return min(nodes, key=lambda fitness: -len(fitness.warnings))


async def _of_node(store: Store, node: str) -> Fitness:
    raw = await store.call("INFO", node=node)
    info = _fields(raw)
    # Valkey answers 7.2 as its Redis version, whatever its own is.
    version = info.get("redis_version", "0.0")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise StoreUnfit(store.where, f"it is version {version}; Redis or Valkey {OLDEST[0]}.{OLDEST[1]} is the oldest")
    warnings = []
    if info.get("aof_enabled") != "1":
        warnings.append("append-only file is off: a crash loses all since the last snapshot; set appendonly yes")
    if info.get("maxmemory_policy", "noeviction") != "noeviction":
        warnings.append(f"maxmemory-policy is {info['maxmemory_policy']}: it may evict runs and events; set noeviction")
    settings = {name: await _config(store, name, node) for name in ASKED}
    fsync = settings["appendfsync"]
    if info.get("aof_enabled") == "1" and fsync not in ("everysec", "always", ""):  # untold: not worth a warning
        warnings.append(f"appendfsync is {fsync}: the system decides what a power loss takes; set everysec or always")
    facts = facts_of(raw, settings, store.address.kind)
    if facts.append_only and facts.sync_pauses:
        warnings.append(f"{PAUSED}, and a power loss takes it; set it to no")
    level = store.settings.durability
    if why := hindrance(level, facts, store.settings.min_replicas):
        if level is Durability.LOCAL:  # it won't come by waiting, as a replica may
            raise StoreUnfit(store.where, why)
        raise StoreRefused(store.where, "NOTDURABLE", why)
    return Fitness(
        info.get("server_name", "redis"), info.get("valkey_version", version), tuple(warnings), promise(level, facts)
    )


async def _config(store: Store, name: str, node: str) -> str:
    """One setting; '' where the user may not ask."""
    try:
        answer = await store.call("CONFIG", "GET", name, node=node)
    except StoreRefused:
        return ""
    return answer[1].decode() if answer else ""


def _fields(info: bytes) -> dict[str, str]:
    rows = (line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    return {name: value for name, value in rows}
