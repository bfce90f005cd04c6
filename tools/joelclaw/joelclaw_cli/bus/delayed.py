"""A delayed event that is taken back before it is sent: nobody gets it, and its id stays known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joelclaw_cli.answer import Answer
from joelclaw_cli.failures import Failure, usage
from joelclaw_cli.heal.actor import actor
from joelclaw_cli.payload import confirmed
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.keys import Slot
    from joelclaw_bus.store import Store


@dataclass(frozen=True, slots=True)
class Delayed:
    """runs: those that it would have, by function; due_ms: by the server's clock."""

    slot: Slot
    event_id: str
    due_ms: int
    runs: dict[str, str]


async def delayed_meant(store: Store, word: str) -> Delayed | None:
    """The delayed event that a word means, by its id or by FUNCTION:EVENT-ID; None when it means something else."""
    from joelclaw_bus.inspect.find import find_meant, readers
    from joelclaw_bus.run_names import run_id

    meant = (await find_meant(store, word)).runs
    if len({(one.slot.name, one.event_id) for one in meant}) != 1 or any(one.entry for one in meant):
        return None
    slot, event_id = meant[0].slot, meant[0].event_id
    due = await store.call("ZSCORE", slot.due, f"e:{event_id}") if event_id else None
    if due is None:
        return None
    takers = (await readers(store, [slot]))[slot.name]
    runs = {function: run_id(function, event_id, given=True) for function in takers}
    if word in runs.values() and len(runs) > 1:
        raise usage(
            f"the event of {word} is delayed, and {len(runs)} functions take it: {', '.join(runs)}",
            fix=f"end it for all of them (joelclaw bus cancel {event_id}), or for this one when it is sent",
        )
    return Delayed(slot, event_id, int(float(due)), runs)


def take_back(place: Place, it: Delayed, reason: str, *, yes: bool, dry_run: bool) -> Answer:
    plan: dict[str, Any] = {"run": next(iter(it.runs.values())) if len(it.runs) == 1 else None}
    plan |= {"runs": list(it.runs.values()), "event": it.slot.name, "event_id": it.event_id, "due_ms": it.due_ms}
    plan |= {"was": "delayed", "reason": reason, "dry_run": dry_run, "cancelled": False}
    if not dry_run:
        confirmed(f"Take back event {it.event_id} of {it.slot.name}, which is delayed", yes=yes)

        async def end(store: Store) -> tuple[bool, str]:
            from joelclaw_bus.limits import Limits
            from joelclaw_bus.order_calls import OrderCalls

            who = await actor(store)
            calls = OrderCalls(store, Limits())
            return await calls.cancel_delayed(it.slot, it.event_id, it.runs, f"cancelled by {who}: {reason}"), who

        plan["cancelled"], plan["actor"] = place.run(end)
        if not plan["cancelled"]:
            fix = f"see what became of it: joelclaw bus explain {it.event_id}"
            raise Failure("nothing_to_cancel", f"event {it.event_id} is not delayed any more", fix=fix)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import clock, fields, good

        yield good(f"{'would take' if dry_run else 'took'} back event {it.event_id}, due {clock(it.due_ms)}")
        yield fields((k, str(plan[k])) for k in ("event", "reason", "actor") if k in plan)
        yield fields([("runs", ", ".join(it.runs.values()))])

    return Answer(plan, view, ((f"joelclaw bus due {it.slot.name}", "what still waits"),))
