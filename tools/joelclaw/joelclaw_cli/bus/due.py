"""`joelclaw bus due`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.due import Due
    from joelclaw_bus.store import Store


@command(
    "due",
    store=True,
    examples=[
        ("joelclaw bus due", "the earliest first"),
        ("joelclaw bus due 'system/backup*' --limit 5", "of some events"),
    ],
)
@click.argument("pattern", default="*")
@click.option("--limit", type=click.IntRange(1, 5000), default=30, show_default=True, help="At most so many.")
def due(place: Place, pattern: str, limit: int) -> Answer:
    """What waits for its time: parked runs and delayed events."""
    from joelclaw_bus.inspect.due import list_due
    from joelclaw_contracts import check_pattern

    check_pattern(pattern)

    async def look(store: Store) -> tuple[list[Due], int]:
        return await list_due(store, pattern=pattern, limit=limit), await store.time_ms()

    found, now = place.run(look)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import clock, relative, table

        rows = ((f"{relative(d.due_ms, now)}, {clock(d.due_ms)}", d.event, d.id, _what(d)) for d in found)
        yield table(("due", "event", "id", "what"), rows, empty="nothing waits for its time")

    return Answer({"due": [asdict(d) for d in found], "now": now}, view, (("joelclaw bus runs", "runs, by state"),))


def _what(due: Due) -> str:
    from joelclaw_cli.render import shortened, words

    return "a run goes on" if due.kind == "run" else shortened(words(due.data), 200)
