"""`joelclaw otel emit ACTION`."""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.durations import Finite
from joelclaw_cli.otel.evidence import LEVELS
from joelclaw_cli.payload import json_object, read_data
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.store import Store


@command(
    "emit",
    store=True,
    examples=[
        ("joelclaw otel emit deploy.done --component router", "leave a mark that others can find"),
        ("joelclaw otel emit disk.check --failed --error 'no space' --data '{\"mount\": \"/data\"}'", "a failure"),
    ],
)
@click.argument("action")
@click.option("--level", type=click.Choice(LEVELS), default=None, help="Default: info, or error with --failed.")
@click.option("--source", default="cli", show_default=True, help="Who says it.")
@click.option("--component", default="operator", show_default=True, help="The part it is about.")
@click.option("--failed", is_flag=True, help="It did not succeed; such evidence may page people.")
@click.option("--error", help="What went wrong.")
@click.option("--duration-ms", type=Finite(0), help="How long it took.")
@click.option("--data", "metadata", default="{}", metavar="JSON|@FILE|-", help="All else that explains it.")
def emit(
    place: Place,
    action: str,
    level: str | None,
    source: str,
    component: str,
    failed: bool,
    error: str | None,
    duration_ms: float | None,
    metadata: str,
) -> Answer:
    """Leave a piece of evidence, as services do."""
    from joelclaw_bus.publisher import Publisher
    from joelclaw_contracts import OtelEvent

    more = json_object(read_data(metadata), "--data")
    wire = {
        "id": uuid.uuid4().hex,
        "sessionId": f"cli-{getpass.getuser()}-{os.getpid()}",
        "systemId": socket.gethostname(),
        "level": level or ("error" if failed else "info"),
        "source": source,
        "component": component,
        "action": action,
        "success": not failed,
        "metadata": more,
    }
    wire |= {"error": error} if error else {}
    wire |= {"duration_ms": duration_ms} if duration_ms is not None else {}

    async def publish(store: Store) -> dict[str, object]:
        event = OtelEvent.from_wire(wire | {"timestamp": await store.time_ms()})
        await Publisher(store, source="joelclaw").send(event, id=event.id)
        return event.to_wire()

    sent = place.run(publish)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good

        yield good(f"{action} noted as {sent['id']}")

    return Answer(sent, view, ((f"joelclaw otel search {action}", "find it again"),))
