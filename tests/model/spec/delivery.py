"""How an item of an outbox arrives: its effect at the target, which is harmless to repeat."""

from __future__ import annotations

from typing import Any

from tests.model.spec import permits, runs, streams
from tests.model.spec.nouns import Bus


def deliver(bus: Bus, slot_name: str, item: dict[str, Any], *, done: bool = True) -> None:
    """The effect first, then the deletion; a delivery that stops between the two is repeated, and does no harm."""
    limits = {"ttl": item.get("ttl_ms", 0), "claim": item.get("claim", ""), "most": item.get("most", 0)}
    match item["kind"]:
        case "event":
            fields = {"data": item["data"], "id": item["event_id"]}
            streams.publish(bus, item["target"], fields, item["event_id"], 0)
        case "release":
            heir = permits.release(bus, item["target"], item["permit"], item["run"], **limits)
            if heir:
                deliver(bus, f"fn/{item['target']}", heir, done=done)
        case "wake":
            if runs.wake(bus, item["target"], item["call"], item["run"]) == 0:
                # Nobody is there to use it. Who gets it now is woken later, by the outbox.
                permits.release(bus, item["call"], item["permit"], f"{item['target']}|{item['run']}", **limits)
    if done:
        bus.slot(slot_name).outbox.pop(item["id"], None)
