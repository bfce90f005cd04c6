"""`joelclaw bus pause`, `resume`, `pauses`: holding work back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.bus.options import dry_run_option, reason_option, yes_option
from joelclaw_cli.command import command
from joelclaw_cli.durations import DURATION
from joelclaw_cli.failures import NOT_FOUND, Failure, not_found, usage
from joelclaw_cli.heal.actor import actor, check_reason
from joelclaw_cli.payload import confirmed
from joelclaw_cli.place import Place
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.pauses import Pause
    from joelclaw_bus.store import Store


@command(
    "pause",
    store=True,
    examples=[
        ("joelclaw bus pause system/backup.redis --reason 'NAS moves' --for 2h", "until it ends by itself"),
        ("joelclaw bus pause system/backup.redis --reason 'NAS moves'", "until somebody resumes it"),
    ],
)
@click.argument("function")
@reason_option
@click.option("--for", "length", type=DURATION, help="End it by itself after so long (90s, 5m, 2h).")
@yes_option
@dry_run_option
def pause(place: Place, function: str, reason: str, length: int | None, yes: bool, dry_run: bool) -> Answer:
    """Hold a function back: no run of it begins or goes on until it is resumed. Nothing is lost.

    Runs that execute now go on to their next rest. Takes effect within three seconds.
    """
    from joelclaw_bus.pauses import pause as put

    check_reason(reason)
    if length == 0:
        raise usage("--for 0 pauses nothing", fix="give a length of time, or none")
    _check_known(place, function)
    facts: dict[str, Any] = {"function": function, "reason": reason, "until_ms": 0, "dry_run": dry_run}
    if not dry_run:
        confirmed(f"Hold back every run of {function}", yes=yes)

        async def hold(store: Store) -> Pause:
            until = await store.time_ms() + length if length else 0
            return await put(store, function, owner=await actor(store), reason=reason, until_ms=until)

        facts |= asdict(place.run(hold))

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import clock, fields, good

        yield good(f"{'would pause' if dry_run else 'paused'} {function}")
        until = clock(facts["until_ms"]) if facts["until_ms"] else "until somebody resumes it"
        yield fields([("reason", reason), ("until", until)])

    return Answer(
        facts, view, ((f"joelclaw bus resume {function}", "let it go on"), ("joelclaw bus pauses", "see all"))
    )


@command("resume", store=True, examples=[("joelclaw bus resume system/backup.redis", "let it go on")])
@click.argument("function", type=WORD)
def resume(place: Place, function: str) -> Answer:
    """Let a paused function go on."""
    from joelclaw_bus.pauses import resume as lift

    if not place.run(lambda store: lift(store, function)):
        raise not_found("paused function", function, look="joelclaw bus pauses")

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good

        yield good(f"{function} goes on")

    return Answer({"function": function, "resumed": True}, view, (("joelclaw bus streams", "see it catch up"),))


@command("pauses", store=True, examples=[("joelclaw bus pauses", "what is held back, by whom and why")])
def pauses(place: Place) -> Answer:
    """The functions that are paused, ended pauses too until they are resumed."""
    from joelclaw_bus.pauses import read_pauses

    async def look(store: Store) -> tuple[dict[str, Pause], list[str], int]:
        found, unreadable = await read_pauses(store)
        return found, unreadable, await store.time_ms()

    found, unreadable, now = place.run(look)
    held = sorted(found.values(), key=lambda p: p.since_ms)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import clock, relative, table

        def end(p: Pause) -> str:
            if not p.until_ms:
                return "until resumed"
            return relative(p.until_ms, now) if p.holds(now) else "over"

        rows = ((p.function, p.reason, p.owner, clock(p.since_ms), end(p)) for p in held)
        yield table(("function", "reason", "by", "since", "ends"), rows, empty="nothing is paused")
        if unreadable:
            yield f"can't be read, so held back by nothing: {', '.join(unreadable)}"

    rows = [asdict(p) | {"holds": p.holds(now)} for p in held]
    return Answer({"pauses": rows, "unreadable": unreadable}, view)


def _check_known(place: Place, function: str) -> None:
    """A function that nobody ever registered can't be meant."""
    from joelclaw_bus.run_names import check_function
    from joelclaw_cli.failures import nearest

    check_function(function)
    known = [name.decode() for name in place.run(lambda store: store.call("HKEYS", store.keys.functions))]
    if function not in known:
        raise Failure(
            "not_found",
            f"no worker ever registered function {function}{nearest(function, known)}",
            fix="see what there is: joelclaw bus streams",
            exit_code=NOT_FOUND,
        )
