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
    from joelclaw_bus.inspect.due import count_due, list_due
    from joelclaw_contracts import check_pattern

    check_pattern(pattern)

    async def look(store: Store) -> tuple[list[Due], int, int]:
        found, total = await list_due(store, pattern=pattern, limit=limit), await count_due(store, pattern=pattern)
        return found, total, await store.time_ms()

    found, total, now = place.run(look)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import clock, part, relative, table

        rows = ((clock(d.due_ms), relative(d.due_ms, now), d.id, _what(d)) for d in found)
        yield table(("due", "", "id", "what"), rows, empty="nothing waits for its time")
        yield from part(len(found), total, "that wait")

    result = {"due": [asdict(d) for d in found], "now": now, "shown": len(found), "total": total}
    return Answer(result, view, (("joelclaw bus runs", "runs, by state"),))


def _what(due: Due) -> str:
    from joelclaw_cli.render import shortened, words

    if due.kind == "run":
        return f"{due.event}: a run goes on"
    return f"{due.event} is sent: {shortened(words(due.data), 200)}"
