"""`joelclaw heal stop` and `joelclaw heal start`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.place import Place
from joelclaw_cli.words import PROSE

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.store import Store
    from joelclaw_healing import KillSwitch


@command(
    "stop",
    store=True,
    examples=[("joelclaw heal stop --reason 'moving the NAS'", "at once; probes, alerts and cron backups go on")],
)
@click.option("--reason", required=True, type=PROSE, help="Why; whoever looks next will see it.")
def stop(place: Place, reason: str) -> Answer:
    """Stop all acting: retries, holds, restarts.

    Probes, alerts and the scheduled backups go on. What comes due waits, and is judged afresh after the start.
    """
    from joelclaw_cli.heal.actor import check_reason

    check_reason(reason)
    return _turn(place, on=True, reason=reason)


@command("start", store=True, examples=[("joelclaw heal start --reason 'the NAS is back'", "what came due is judged")])
@click.option("--reason", default="", type=PROSE, help="Why.")
def start(place: Place, reason: str) -> Answer:
    """Let it act again; what came due meanwhile is judged afresh."""
    return _turn(place, on=False, reason=reason)


def _turn(place: Place, *, on: bool, reason: str) -> Answer:
    from joelclaw_cli.heal.actor import actor
    from joelclaw_healing import Ledger

    async def turn(store: Store) -> tuple[bool, KillSwitch | None]:
        ledger, who = Ledger(store), await actor(store)
        changed = await (ledger.stop if on else ledger.start)(actor=who, reason=reason)
        return changed, await ledger.switch()

    changed, switch = place.run(turn)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good

        if switch:
            yield good(f"all acting is stopped{'' if changed else ' already'}, by {switch.owner}: {switch.reason}")
        else:
            yield good("it acts again" if changed else "nothing was stopped")

    result = {
        "stopped": switch is not None,
        "changed": changed,
        "owner": switch.owner if switch else None,
        "reason": switch.reason if switch else None,
        "since": switch.since_ms if switch else None,
    }
    again = ("joelclaw heal start", "let it act again") if on else ("joelclaw heal list", "what is broken")
    return Answer(result, view, (again,))
