"""A desk over a real store, with a configuration whose waits are a few milliseconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from joelclaw_bus import Store
from joelclaw_contracts import BackupFailureDetected, Config, HealingRequested, RouterKnobs
from joelclaw_healing import Ledger, Voice
from joelclaw_router.desk import Desk, Outcome
from joelclaw_router.judgement import Bench
from joelclaw_router.request import Request
from joelclaw_router.rulebook import Rulebook

QUICK = RouterKnobs(max_retries=5, sleep_min_ms=1, sleep_max_ms=30, sleep_step_ms=1)
CONFIG = Config(healing_router=QUICK, backup_router=QUICK)
SLOW = Config()

HEALING: dict[str, Any] = {
    "sourceFunction": "tests/prober",
    "targetComponent": "bridge",
    "problemSummary": "it answers 502",
    "attempt": 0,
    "retryPolicy": {},
    "evidence": [{"type": "log", "detail": "bridge.log"}, "seen at noon"],
    "playbook": {"runbooks": ["bridge.md"]},
    "domain": "gateway-bridge",
    "targetEventName": "system/health.check.requested",
}
BACKUP: dict[str, Any] = {
    "targetFunctionId": "system/backup.redis",
    "target": "redis",
    "error": "ssh: connect to host nas: Connection refused",
    "backupFailureDetectedAt": "2099-01-01T00:00:00Z",
    "attempt": 0,
}


def healing(id: str = "1-0", **changes: Any) -> Request:
    return Request(HealingRequested.event_name, id, "", HealingRequested.from_wire({**HEALING, **changes}))


def backup(id: str = "1-0", **changes: Any) -> Request:
    return Request(BackupFailureDetected.event_name, id, "", BackupFailureDetected.from_wire({**BACKUP, **changes}))


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store)


MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(ledger: Ledger) -> MakeDesk:
    """A desk with this configuration and these dice."""

    def make(config: Config = CONFIG, dice: float = 0.5) -> Desk:
        return Desk(ledger, Bench(Rulebook(config), Voice("router", "test", "s1")), lambda: dice)

    return make


async def seen_to(desk: Desk, outcome: Outcome) -> Outcome:
    """What becomes of an act when its time comes (these waits are a few milliseconds)."""
    act = outcome["act"]
    with anyio.fail_after(20):
        while True:
            got = await desk.due(outcome["incident"], act["decision"])
            if got["verdict"] != "waits":
                return got
            await anyio.sleep(0.005)


async def outbox(ledger: Ledger) -> list[dict[str, Any]]:
    """What lies in the outbox, oldest first, `data` parsed."""
    ids = await ledger.store.call("ZRANGE", ledger.slot.outbox, 0, -1)
    rows = [json.loads(await ledger.store.call("HGET", ledger.slot.outbox_items, id)) for id in ids]
    return [{**row, "data": json.loads(row["data"])} for row in rows]


async def sent(ledger: Ledger, event: str) -> list[dict[str, Any]]:
    """The payloads that were put into the outbox for one event."""
    return [row["data"] for row in await outbox(ledger) if row["target"] == event]
