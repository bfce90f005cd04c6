"""`joelclaw heal pause SCOPE` and `joelclaw heal resume ID`."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.durations import DURATION
from joelclaw_cli.failures import Failure, not_found, usage
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.store import Store
    from joelclaw_healing import PauseReason


@command(
    "pause",
    store=True,
    examples=[
        ("joelclaw heal pause domain:backup --reason 'moving the NAS' --for 2h", "no backup is retried meanwhile"),
        ("joelclaw heal pause target:gateway-bridge/bridge --reason 'a deploy' --for 20m", "this one target"),
        ("joelclaw heal pause all --reason 'the network is rebuilt' --for 1d", "everything, with an end"),
    ],
)
@click.argument("scope")
@click.option("--reason", required=True, help="Why; whoever looks next will see it.")
@click.option("--for", "length", type=DURATION, default="1h", show_default=True, help="It ends by itself after this.")
def pause(place: Place, scope: str, reason: str, length: int) -> Answer:
    """Stop new acts on a scope for a time.

    Running ones finish; afterwards all of it is judged afresh. SCOPE is all, domain:NAME, group:NAME or
    target:DOMAIN/NAME, named as `joelclaw heal list` names them. Reasons add
    up: a target acts again when the last one that covers it has ended.
    """
    from joelclaw_cli.heal.actor import actor, check_reason
    from joelclaw_healing import Ledger, PauseReason, PauseRefused, check_scope
    from joelclaw_healing.pause_reasons import LONGEST_MS, MOST

    check_reason(reason)
    try:
        check_scope(scope)
    except PauseRefused as error:
        raise usage(str(error), fix="joelclaw heal list shows domains and targets") from None
    if not 0 < length <= LONGEST_MS:
        raise usage("--for is no length of a pause", fix="write between 1ms and 30d; a pause always has an end")

    async def add(store: Store) -> PauseReason:
        now = await store.time_ms()
        made = PauseReason(f"pause-{secrets.token_hex(4)}", scope, await actor(store), reason, now, now + length)
        if not await Ledger(store).pause(made):
            fix = "end one: joelclaw heal resume ID; joelclaw heal list shows them"
            raise Failure("too_many_pauses", f"there are {MOST} pause reasons already", fix=fix)
        return made

    made = place.run(add)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import clock, good

        yield good(f"{made.scope} is paused until {clock(made.until_ms)} by {made.owner}: {made.reason}")

    return Answer(made.to_json(), view, ((f"joelclaw heal resume {made.id}", "end it before its time"),))


@command("resume", store=True, examples=[("joelclaw heal resume pause-0123abcd", "what it held is judged afresh")])
@click.argument("pause_id", metavar="ID")
def resume(place: Place, pause_id: str) -> Answer:
    """End a pause before its time; what it held is judged afresh."""
    from joelclaw_cli.heal.actor import actor
    from joelclaw_healing import Ledger

    async def end(store: Store) -> tuple[bool, str, tuple[PauseReason, ...]]:
        ledger, who = Ledger(store), await actor(store)
        return await ledger.resume(pause_id, actor=who), who, await ledger.pauses()

    ended, who, left = place.run(end)
    if not ended:
        raise not_found("pause", pause_id, look="joelclaw heal list")

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good

        yield good(f"{pause_id} is ended by {who}; {len(left)} other reasons last")

    result: dict[str, Any] = {"id": pause_id, "by": who, "left": [reason.to_json() for reason in left]}
    return Answer(result, view, (("joelclaw heal list", "what is broken"),))
