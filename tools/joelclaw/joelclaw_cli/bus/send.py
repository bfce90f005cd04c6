"""`joelclaw bus send`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.durations import DURATION, MOMENT
from joelclaw_cli.failures import Failure, failure_of, usage
from joelclaw_cli.payload import read_data, valid_payload
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.store import Store


@command(
    "send",
    store=True,
    examples=[
        ('joelclaw bus send system/health.check.requested --data \'{"mode": "core"}\'', "send an event"),
        ("joelclaw bus send system/self.healing.requested --data @examples/healing-request.json", "from a file"),
        ("joelclaw bus send system/health.check.requested --data '{}' --in 10m", "ten minutes from now"),
        ("joelclaw bus send my/own.event --data '{\"n\": 1}' --id order-17 --force", "one the suite does not know"),
    ],
)
@click.argument("name")
@click.option("--data", required=True, metavar="JSON|@FILE|-", help="The payload: JSON, a file, or stdin.")
@click.option("--id", "event_id", help="Idempotency key: sent at most once within the dedupe window.")
@click.option("--at", "at_ms", type=MOMENT, help="When, ISO 8601 with an offset.")
@click.option("--in", "in_ms", type=DURATION, help="How long from now: 5s, 10m, 2h.")
@click.option("--force", is_flag=True, help="Send what the suite does not know, or what its model refuses.")
def send(
    place: Place, name: str, data: str, event_id: str | None, at_ms: int | None, in_ms: int | None, force: bool
) -> Answer:
    """Send an event, now or later.

    The payload is checked by the event's model first; a wrong one is told with its field and not sent.
    """
    from joelclaw_bus.errors import NoFreeConnection, StoreUnavailable
    from joelclaw_bus.publisher import Publisher
    from joelclaw_cli.render import clock, good

    if at_ms is not None and in_ms is not None:
        raise usage("--at and --in say two different times", fix="keep one of them")
    if event_id is not None and not event_id.strip():
        raise usage("--id is empty, so it would make nothing idempotent", fix="name it, or leave --id out")
    payload = valid_payload(name, read_data(data), force=force)

    async def publish(store: Store) -> dict[str, object]:
        at = at_ms or (await store.time_ms() + in_ms if in_ms else 0)
        own = event_id or (uuid.uuid4().hex if at else None)  # what waits needs a name, so that it can be found
        try:
            done = await Publisher(store, source="joelclaw").send_raw(name, payload, id=own, at_ms=at)
        except StoreUnavailable as error:
            if isinstance(error, NoFreeConnection) or "refused" in str(error):
                raise  # it was never asked
            raise _unclear(error, name, own) from error
        return {"event": name, "id": own or done.entry, "entry": done.entry, "duplicate": done.duplicate} | (
            {"due": at} if done.entry is None else {}
        )

    sent = place.run(publish)

    def view() -> Iterable[RenderableType]:
        if sent["duplicate"]:
            yield good(f"{name} with id {event_id} was sent before; nothing was added")
        elif at := sent.get("due"):
            yield good(f"{name} will be sent at {clock(int(str(at)))}")
        else:
            yield good(f"{name} sent as {sent['entry']}")

    follow = ("joelclaw bus due", "see what waits") if sent.get("due") else (f"joelclaw bus tail {name}", "see it")
    return Answer(sent, view, (follow, ("joelclaw bus runs", "see what it set in motion")))


def _unclear(error: Exception, name: str, id: str | None) -> Failure:
    """No answer is no refusal: it may have been written all the same."""
    again = f"send it again with the same id, which is harmless: --id {id}"
    look = f"look whether it is there (joelclaw bus tail {name}) before you send it again; with --id that is harmless"
    told = failure_of(error)
    message = f"{told}; {name} may have been written all the same"
    return Failure(told.code, message, fix=again if id else look, exit_code=told.exit_code)
