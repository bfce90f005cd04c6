"""`joelclaw bus streams`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer, Next
from joelclaw_cli.command import command
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.streams import StreamFacts


@command(
    "streams",
    store=True,
    examples=[
        ("joelclaw bus streams", "every stream and who reads it"),
        ("joelclaw bus streams 'system/backup*'", "some of them"),
    ],
)
@click.argument("pattern", default="*")
def streams(place: Place, pattern: str) -> Answer:
    """Length, readers, lag, what waits, what died.

    lag: events that a function has not read yet. pending: read, and not finished. ready: retries and wake-ups to read.
    The number behind a function is its workers.
    """
    from joelclaw_bus.inspect.streams import stream_facts
    from joelclaw_contracts import check_pattern

    check_pattern(pattern)
    facts = place.run(lambda store: stream_facts(store, pattern))

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import table

        columns = ("event", ">events", ">open", ">due", ">dead", ">lag", ">pending", ">ready", "read by")
        yield table(columns, _rows(facts), empty="no stream yet: send an event, or start the suite")

    actions: list[Next] = [("joelclaw bus runs", "what runs, waits, or has failed")]
    if any(f.dead for f in facts):
        actions.insert(0, ("joelclaw bus dead list", "look at the dead letters"))
    return Answer({"streams": [asdict(f) for f in facts]}, view, tuple(actions))


def _rows(facts: Iterable[StreamFacts]) -> Iterable[tuple[object, ...]]:
    from rich.text import Text

    for f in facts:
        dead: object = Text(str(f.dead), style="red") if f.dead else "0"
        head: tuple[object, ...] = (f.name, f.length, f.open, f.due, dead)
        for g in f.groups:
            yield (*head, "?" if g.lag is None else g.lag, g.pending, g.ready, f"{g.function} ({g.consumers})")
            head = ("", "", "", "", "")
        if not f.groups:
            yield (*head, "", "", "", Text("nobody", style="dim"))
