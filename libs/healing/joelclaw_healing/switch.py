"""The kill switch: one key that stops all acting within one decision; health and alerts go on.

Its being there is its being on, whatever it holds: an unreadable switch fails closed. It stops retries, holds and
restarts; cron backups, probes and alerts go on. Due work waits and is judged afresh.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joelclaw_bus.script import load_script
from joelclaw_bus.store import Store

KEEP_LOG = 200


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """Who stopped all acting, why, and since when (ms)."""

    owner: str
    reason: str
    since_ms: int

    @classmethod
    def from_fields(cls, raw: Mapping[str, str]) -> KillSwitch | None:
        """None is off. Anything at all in the key is on, even if it can't be read."""
        if not raw:
            return None
        since = raw.get("since_ms", "0")
        return cls(raw.get("owner", "unknown"), raw.get("reason", "unknown"), int(since) if since.isdigit() else 0)


async def read_switch(store: Store, slot_key: str) -> KillSwitch | None:
    """The switch at this key, None if it is off. StoreUnavailable, StoreRefused: then treat it as on."""
    row = await store.call("HGETALL", slot_key)
    return KillSwitch.from_fields({_text(row[i]): _text(row[i + 1]) for i in range(0, len(row), 2)})


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


async def turn_switch(store: Store, slot_key: str, verb: str, *, actor: str, reason: str) -> bool:
    """`stop` or `start`. False if it stood like that already; then the first owner and reason stay."""
    script = load_script("joelclaw_healing", "switch")
    return bool(await store.run(script, [slot_key, slot_key + ":log"], [verb, actor, reason, KEEP_LOG]))


async def switch_log(store: Store, slot_key: str) -> list[dict[str, Any]]:
    """Who turned it, oldest first: {at, verb, actor, reason}."""
    return [json.loads(line) for line in await store.call("LRANGE", slot_key + ":log", 0, -1)]
