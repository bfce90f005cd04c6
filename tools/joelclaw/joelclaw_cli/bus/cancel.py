"""`joelclaw bus cancel`: ending one open run, or all that a filter means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.bus.delayed import Delayed, delayed_meant, take_back
from joelclaw_cli.bus.many import Tally, act_on, count, many_meant, told
from joelclaw_cli.bus.options import dry_run_option, reason_option, yes_option
from joelclaw_cli.command import command
from joelclaw_cli.durations import DURATION
from joelclaw_cli.failures import Failure
from joelclaw_cli.heal.actor import actor
from joelclaw_cli.payload import confirmed
from joelclaw_cli.place import Place
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.explain import RunSituation
    from joelclaw_bus.inspect.runs import RunFacts, RunFilter
    from joelclaw_bus.order_calls import Cancelled
    from joelclaw_bus.store import Store

OPEN_STATES = ("running", "queued", "held", "due", "waiting")
RECORDED = {"running": "queued"}
"""A run that executes is queued by its record."""


@command(
    "cancel",
    store=True,
    examples=[
        ("joelclaw bus cancel shop/charge:o-1 --reason 'order withdrawn'", "asks first"),
        ("joelclaw bus cancel shop/charge:o-1 --reason test --dry-run", "look first"),
        ("joelclaw bus cancel --function shop/charge --state waiting --older 2d --reason 'campaign over'", "many"),
    ],
)
@click.argument("run_id", metavar="ID", type=WORD, required=False)
@click.option("--function", type=WORD, help="All open runs of this function.")
@click.option("--state", type=click.Choice(OPEN_STATES), help="All open runs in this state.")
@click.option("--older", type=DURATION, help="All open runs that last moved so long ago (90s, 5m, 2h, 3d).")
@click.option("--event", default="*", help="Of this event only (a name, or a pattern).")
@click.option("--all", "everything", is_flag=True, help="All open runs there are (with --event: of that event).")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="So many of them, the longest at rest first.",
)
@reason_option
@yes_option
@dry_run_option
def cancel(
    place: Place, run_id: str | None, reason: str, yes: bool, dry_run: bool, everything: bool, limit: int, **meant: Any
) -> Answer:
    """End an open run, or many.

    What it rests for is called off, and none of its writes is accepted any more.

    ID is FUNCTION:EVENT-ID, or the id or entry of its event. An event that no worker has read yet is dropped by the
    function when it comes to it; a delayed one is taken back, for all functions that would get it. A handler that
    executes stops at its next write or lease renewal; what it did by then stays done, and where runs are limited the
    next one may begin before it has stopped.

    A filter means open runs with a record, which a run has from its first rest, step or second begin on.
    """
    if many_meant(run_id, filters=(everything, meant["function"], meant["state"], meant["older"] is not None)):
        return _cancel_many(place, meant, limit, reason, yes=yes, dry_run=dry_run)
    return _cancel_one(place, run_id or "", reason, yes=yes, dry_run=dry_run)


def _cancel_one(place: Place, run_id: str, reason: str, *, yes: bool, dry_run: bool) -> Answer:
    from joelclaw_bus.inspect.explain import explain as judge
    from joelclaw_bus.inspect.explain import read_situation
    from joelclaw_cli.bus.meant import the_one

    async def look(store: Store) -> RunSituation | Delayed:
        return await delayed_meant(store, run_id) or await read_situation(store, await the_one(store, run_id))

    seen = place.run(look)
    if isinstance(seen, Delayed):
        return take_back(place, seen, reason, yes=yes, dry_run=dry_run)
    run, was = seen.run, seen.record.get("state") or "unread"
    if not seen.record and (not run or not (seen.undelivered or seen.hand or (seen.entry_there and not seen.group))):
        said = judge(seen)
        raise Failure("nothing_to_cancel", f"{seen.name}: {said.why}", fix=said.todo)
    if seen.hand and was in ("unread", "queued"):
        was = "running"
    plan: dict[str, Any] = {"run": run, "event": seen.event, "was": was}
    plan |= {"reason": reason, "dry_run": dry_run, "cancelled": False}
    _check_open(run, seen.record.get("status", was) if was == "ended" else was)
    if not dry_run:
        confirmed(f"End {run}, which is {was}", yes=yes)

        async def end(store: Store) -> tuple[Cancelled, str]:
            who = await actor(store)
            return await _end(store, seen, f"cancelled by {who}: {reason}"), who

        done, plan["actor"] = place.run(end)
        if not done.done:
            _check_open(run, done.was or "gone")
        plan |= {"cancelled": True}

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import fields, good

        yield good(f"{'would end' if dry_run else 'ended'} {run}")
        yield fields((k, str(v)) for k, v in plan.items() if k in ("event", "was", "reason", "actor"))

    return Answer(plan, view, ((f"joelclaw bus run {run}", "see its record"),))


async def _end(store: Store, seen: RunSituation, reason: str) -> Cancelled:
    """By its record, if it has one; it may get one between our look and now."""
    from joelclaw_bus.limits import Limits
    from joelclaw_bus.order_calls import OrderCalls

    calls, slot = OrderCalls(store, Limits()), store.keys.slot(seen.event)
    if not seen.record:
        done = await calls.cancel_unread(slot, seen.run, seen.entry, reason)
        if done.done or done.was in ("", "acknowledged"):
            return done
    return await calls.cancel(slot, seen.run, reason)


def _check_open(run: str, state: str) -> None:
    from joelclaw_bus.inspect.runs import ENDS

    if state in ENDS or state in ("gone", "acknowledged"):
        raise Failure(
            "run_ended",
            f"run {run} has ended already ({state})",
            fix=f"nothing is left to cancel: joelclaw bus explain {run}",
        )


def _cancel_many(place: Place, meant: dict[str, Any], limit: int, reason: str, *, yes: bool, dry_run: bool) -> Answer:
    from joelclaw_bus.inspect.runs import RunFilter, each_open_run
    from joelclaw_bus.limits import Limits
    from joelclaw_bus.order_calls import OrderCalls
    from joelclaw_contracts import check_pattern

    check_pattern(meant["event"])

    async def look(store: Store) -> tuple[RunFilter, int]:
        until = await store.time_ms() - (meant["older"] or 0)
        which = RunFilter(until, meant["function"] or "", meant["state"] or "", meant["event"])
        return which, await count(each_open_run(store, which))

    which, total = place.run(look)
    if not dry_run and total:
        confirmed(f"End {min(total, limit):,} open runs", yes=yes)

    async def act(store: Store) -> Tally:
        calls, why = OrderCalls(store, Limits()), f"cancelled by {await actor(store)}: {reason}"

        async def end(run: RunFacts) -> bool:
            only = RECORDED.get(meant["state"], meant["state"] or "")
            since = which.until_ms if meant["older"] is not None else 0
            return (
                dry_run
                or (await calls.cancel(store.keys.slot(run.event), run.id, why, only=only, unmoved_since=since)).done
            )

        return await act_on(each_open_run(store, which), limit, lambda run: run.id, end)

    see = ("joelclaw bus runs --state cancelled", "see what ended")
    return told(place.run(act), total, verb="end", things="runs", dry_run=dry_run, look=see)
