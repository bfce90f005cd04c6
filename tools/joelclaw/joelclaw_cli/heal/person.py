"""`joelclaw heal ack|approve|retry ID`: what persons say about an incident."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.durations import DURATION
from joelclaw_cli.failures import Failure
from joelclaw_cli.payload import confirmed
from joelclaw_cli.place import Place
from joelclaw_cli.words import PROSE, WORD

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.store import Store
    from joelclaw_contracts import EventModel

LOOK = 0.1
WAIT = click.option(
    "--wait", "wait_ms", type=DURATION, default="10s", show_default=True, help="For the router's word, at most."
)


@command("ack", store=True, examples=[("joelclaw heal ack inc-0123456789ab --reason 'I look at it'", "no more pages")])
@click.argument("incident_id", metavar="ID", type=WORD)
@click.option("--reason", default="", type=PROSE, help="A word for the timeline.")
def ack(place: Place, incident_id: str, reason: str) -> Answer:
    """Say that you have seen a page.

    It is not repeated then. This ends nothing and allows nothing."""
    from joelclaw_cli.heal.actor import actor
    from joelclaw_healing import Ledger, Voice
    from joelclaw_healing.acknowledge import ack_incident

    async def say(store: Store) -> tuple[str, bool]:
        who = await actor(store)
        voice = Voice("cli", socket.gethostname(), f"cli-{os.getpid()}")
        return who, await ack_incident(Ledger(store), incident_id, actor=who, reason=reason, voice=voice)

    who, first = place.run(say)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good

        yield good(f"{incident_id} is acknowledged by {who}" if first else f"{incident_id} was acknowledged already")

    result = {"incident": incident_id, "by": who, "changed": first}
    return Answer(result, view, ((f"joelclaw heal show {incident_id}", "its timeline"),))


@command("approve", store=True, examples=[("joelclaw heal approve inc-0123456789ab", "allow the retry it waits for")])
@click.argument("incident_id", metavar="ID", type=WORD)
@click.option("--reason", default="", type=PROSE, help="Why.")
@WAIT
def approve(place: Place, incident_id: str, reason: str, wait_ms: int) -> Answer:
    """Allow the retry that an incident asks about.

    Whoever requested it can't; what expired is denied. The bus does not prove who says so: the name is the store's ACL
    user, else this machine's, and whoever may write to the store can send the event under any name. Its ACL is the
    door (docs/security.md)."""
    from joelclaw_cli.heal.actor import actor
    from joelclaw_healing import Ledger
    from joelclaw_healing.orders import IncidentApproved, same_person

    async def say(store: Store) -> dict[str, Any]:
        ledger, who = Ledger(store), await actor(store)
        found, _ = await ledger.show(incident_id)
        if not found.approval or found.approval_ms <= await store.time_ms():
            fix = f"joelclaw heal retry {incident_id} orders a retry of its own"
            raise Failure("nothing_to_approve", f"incident {incident_id} asks for no approval now", fix=fix)
        if same_person(who, _requested_by(found.request)):
            fix = "somebody else must: the requester can't approve"
            raise Failure("requester_cannot_approve", f"{who} requested it", fix=fix)
        event = IncidentApproved(incident_id=incident_id, approval=found.approval, actor=who, reason=reason)
        return {"by": who, **await _told(store, event, f"approved:{found.approval}:", wait_ms)}

    return _answer(incident_id, "approved", place.run(say))


@command("retry", store=True, examples=[("joelclaw heal retry inc-0123456789ab --reason 'the disk is empty'", "now")])
@click.argument("incident_id", metavar="ID", type=WORD)
@click.option("--reason", required=True, type=PROSE, help="Why; it goes into the timeline.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@WAIT
def retry(place: Place, incident_id: str, reason: str, yes: bool, wait_ms: int) -> Answer:
    """Order a retry now.

    It skips what restrains the router (permanence, attempts, pauses, storms). The kill switch, the allowed routes
    and the rolling budgets bind persons too.
    """
    from joelclaw_cli.heal.actor import actor, check_reason
    from joelclaw_healing import Ledger
    from joelclaw_healing.orders import IncidentOrdered

    check_reason(reason)
    incident, _ = place.run(lambda store: Ledger(store).show(incident_id))
    if incident.is_over or not incident.request:
        raise Failure("nothing_to_retry", f"incident {incident_id} has nothing that could be retried")
    question = f"Retry {incident_id}, {incident.domain} {incident.target}, now"
    confirmed(question, yes=yes, look=f"at it: joelclaw heal show {incident_id}")

    async def say(store: Store) -> dict[str, Any]:
        who = await actor(store)
        event = IncidentOrdered(incident_id=incident_id, actor=who, reason=reason)
        return {"by": who, **await _told(store, event, "ordered:", wait_ms)}

    return _answer(incident_id, "ordered", place.run(say))


async def _told(store: Store, event: EventModel, move: str, wait_ms: int) -> dict[str, Any]:
    """Sends it, and waits for the router's move: its rule and its verdict."""
    import anyio

    from joelclaw_bus.publisher import Publisher
    from joelclaw_healing import Ledger

    id = uuid.uuid4().hex
    await Publisher(store, source="joelclaw").send(event, id=id)
    done = Ledger(store).done_key(move + id)
    with anyio.move_on_after(wait_ms / 1000):
        while (raw := await store.call("GET", done)) is None:  # noqa: ASYNC110  another process writes it
            await anyio.sleep(LOOK)
        outcome = json.loads(raw)
        return {"rule": outcome["rule"], "verdict": outcome["verdict"]}
    fix = "joelclaw up runs it; what was sent is seen to when it runs"
    raise Failure("not_answered", f"no router answered within {wait_ms / 1000:g} s", fix=fix)


def _answer(incident: str, what: str, told: dict[str, Any]) -> Answer:
    done = told["verdict"] in ("retry", "pause")

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good, warning

        if done:
            yield good(f"{incident}: {what} by {told['by']}; {told['rule']}")
        else:
            yield warning(f"{incident}: not done; {told['rule']}")

    trouble = None
    if not done:
        trouble = Failure("refused", f"{incident}: {told['rule']}", fix=f"joelclaw heal show {incident} says why")
    return Answer({"incident": incident, **told}, view, ((f"joelclaw heal show {incident}", "its timeline"),), trouble)


def _requested_by(request: str) -> str:
    try:
        return str(json.loads(request)["data"].get("requestedBy") or "")
    except (ValueError, KeyError, AttributeError, TypeError):
        return ""  # nobody is named
