"""`joelclaw heal dismiss ID`."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.payload import confirmed
from joelclaw_cli.place import Place
from joelclaw_cli.words import PROSE, WORD

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.store import Store


@command(
    "dismiss",
    store=True,
    examples=[("joelclaw heal dismiss inc-0123456789ab --reason 'that host is retired' --yes", "close it by hand")],
)
@click.argument("incident_id", metavar="ID", type=WORD)
@click.option("--reason", required=True, type=PROSE, help="Why; it goes into the record and the closing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def dismiss(place: Place, incident_id: str, reason: str, yes: bool) -> Answer:
    """Say that an incident is over. What was scheduled for it does not happen."""
    from joelclaw_cli.heal.actor import actor, check_reason
    from joelclaw_healing import Ledger, Voice, dismiss_incident

    check_reason(reason)
    incident, _ = place.run(lambda store: Ledger(store).show(incident_id))
    question = f"Dismiss {incident_id}, {incident.domain} {incident.target}: {incident.problem[:80]}"
    confirmed(question, yes=yes, look=f"at it: joelclaw heal show {incident_id}")

    async def close(store: Store) -> str:
        who = await actor(store)
        voice = Voice("cli", socket.gethostname(), f"cli-{os.getpid()}")
        await dismiss_incident(Ledger(store), incident_id, actor=who, reason=reason, voice=voice)
        return who

    who = place.run(close)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good

        yield good(f"{incident_id} is dismissed by {who}")

    return Answer(
        {"incident": incident_id, "by": who, "reason": reason}, view, (("joelclaw heal list", "what is left"),)
    )
