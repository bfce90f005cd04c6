"""A move on its way to its script (`move.lua`), and the script's answer in our words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from joelclaw_bus.outbox_item import OutboxItem
from joelclaw_contracts.redact import redact
from joelclaw_healing.incident import Incident
from joelclaw_healing.ledger_keys import group_of
from joelclaw_healing.lifecycle import REOPEN_WITHIN_MS
from joelclaw_healing.look import Look, text_of
from joelclaw_healing.move import (
    DAY_MS,
    Answer,
    Charge,
    Full,
    Made,
    Move,
    Moved,
    Paused,
    Stopped,
    Storm,
    Stormy,
    dumps,
)

KEEP_DONE_MS = 2 * DAY_MS  # twice the bus's dedupe window: a redelivery that the bus lets through finds its outcome
KEEP_INCIDENT_MS = 30 * DAY_MS
KEEP_OUTAGES_MS = 30 * DAY_MS
KEEP_AUDIT = 500


def body_of(look: Look, move: Move, after: Incident | None, items: Sequence[OutboxItem]) -> str:
    """What the script is told, as JSON. `after`: the incident as the move leaves it; `items`: its letters."""
    same = move.before is not None and after is not None and move.before.id == after.id
    body = {
        "id": move.id,
        "incident": after.id if after else "",
        "seq": str(move.before.seq) if same and move.before else "0",
        "current": look.current,
        "state": after.state.value if after else "",
        "fields": after.to_fields() if after else {},
        "acts": move.acts,
        "scopes": list(move.scopes),
        "storm": _storm(move.storm, after),
        "outage": move.outage,
        "charges": [{"limit": c.limit, "window": c.window_ms} for c in move.charges],
        "letters": [{"id": item.id, "item": item.encode().decode()} for item in items],
        "audit": dumps(redact({"at": look.now, "move": move.id, "seq": after.seq if after else 0, **move.audit})),
        "outcome": dumps(move.outcome),
        "keep": {
            "done": KEEP_DONE_MS,
            "incident": KEEP_INCIDENT_MS,
            "current": REOPEN_WITHIN_MS,
            "audit": KEEP_AUDIT,
            "outages": KEEP_OUTAGES_MS,
        },
    }
    return dumps(body)


def answer_of(reply: Any, charges: Sequence[Charge]) -> Answer:
    """What the script said. `charges`: the move's, of which one may have been full."""
    if reply == 0:
        return Moved()
    word = text_of(reply[0])
    if word == "stopped":
        return Stopped()
    if word == "paused":
        return Paused()
    if word == "storm":
        return Stormy()
    if word == "full":
        return Full(charges[int(reply[1])].name)
    return Made(json.loads(reply[1]), earlier=word == "earlier")


def _storm(storm: Storm | None, incident: Incident | None) -> dict[str, Any]:
    told = storm or Storm()
    return {
        "group": group_of(incident) if storm and incident else "",
        "target": f"{incident.domain}/{incident.target}" if incident else "",
        "limit": told.limit,
        "window": told.window_ms,
        "failed": told.failed,
        "rages_ms": told.rages_ms,
    }
