"""How an item of an outbox arrives: its effect at the target, which is harmless to repeat."""

from __future__ import annotations

import json
from typing import Any

from tests.model.spec import moves, permits, streams, waits
from tests.model.spec.nouns import Bus, Wait, Wanted, parsed


def deliver(bus: Bus, slot_name: str, item: dict[str, Any], *, done: bool = True) -> None:
    """The effect first, then the deletion; a delivery that stops between the two is repeated, and does no harm."""
    limits = {"ttl": item.get("ttl_ms", 0), "claim": item.get("claim", ""), "most": item.get("most", 0)}
    by = item.get("by", "")
    match item["kind"]:
        case "event":
            fields = {"data": item["data"], "id": item["event_id"], "ts": "0" * 13}
            streams.publish(bus, item["target"], fields, item["event_id"], 0)
        case "release":
            heir = permits.release(bus, item["target"], item["permit"], item["run"], by=by, **limits)
            if heir:
                deliver(bus, f"fn/{item['target']}", heir, done=done)
        case "wake":
            if moves.wake(bus, item["target"], item["call"], item["run"]) == 0:
                # Nobody is there to use it. Who gets it now is woken later, by the outbox.
                permits.release(bus, item["call"], item["permit"], f"{item['target']}|{item['run']}", **limits)
        case "await":
            waits.await_(bus, waiting(bus, item), dies=not done)
        case "unwait":
            if done:  # who dies takes nothing away
                bus.slot(item["target"]).waits.pop(item["event_id"], None)
    if done:
        bus.slot(slot_name).outbox.pop(item["id"], None)


def waiting(bus: Bus, item: dict[str, Any]) -> Wait:
    """The wait that an item registers."""
    w = json.loads(item["data"])
    run = bus.slot(w["slot"]).runs.get(w["run"])
    known = run.waits.get(w["step"]) if run else None
    match = tuple(known.events[w["number"]].match) if known else _match_of(w)
    wanted = Wanted(w["event"], match, parsed(w["since"]))
    return Wait(w["slot"], w["run"], w["step"], w["number"], wanted, w["ends_ms"], item["data"])


def _match_of(w: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """What it asks for, when its run has forgotten it: the model's events can be asked for one thing alone."""
    return (("tag", "red"),) if json.loads(w["form"]) else ()
