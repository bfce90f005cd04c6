"""Whether a server can carry the bus, and what its settings promise: facts for the start and for operators."""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_bus.errors import StoreRefused, StoreUnfit
from joelclaw_bus.store import Store

OLDEST = (7, 0)


@dataclass(frozen=True, slots=True)
class Fitness:
    """`warnings`: what makes a promise weaker than it could be, each with its remedy."""

    server: str
    version: str
    warnings: tuple[str, ...]


async def check_fitness(store: Store) -> Fitness:
    """The server's fitness; StoreUnfit when it is too old. StoreUnavailable, StoreRefused."""
    info = _fields(await store.call("INFO"))
    # Valkey answers 7.2 as its Redis version, whatever its own is.
    version = info.get("redis_version", "0.0")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise StoreUnfit(store.where, f"it is version {version}; Redis or Valkey {OLDEST[0]}.{OLDEST[1]} is the oldest")
    warnings = []
    if info.get("aof_enabled") != "1":
        warnings.append("append-only file is off: a crash loses all since the last snapshot; set appendonly yes")
    if info.get("maxmemory_policy", "noeviction") != "noeviction":
        warnings.append(f"maxmemory-policy is {info['maxmemory_policy']}: it may evict runs and events; set noeviction")
    if info.get("aof_enabled") == "1" and (fsync := await _config(store, "appendfsync")) not in ("everysec", "always"):
        warnings.append(f"appendfsync is {fsync}: the system decides what a power loss takes; set everysec or always")
    return Fitness(info.get("server_name", "redis"), info.get("valkey_version", version), tuple(warnings))


async def _config(store: Store, name: str) -> str:
    """One setting; 'unknown' where the user may not ask."""
    try:
        answer = await store.call("CONFIG", "GET", name)
    except StoreRefused:
        return "everysec"  # can't be told: not worth a warning of its own
    return answer[1].decode() if answer else "unknown"


def _fields(info: bytes) -> dict[str, str]:
    rows = (line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    return {name: value for name, value in rows}
