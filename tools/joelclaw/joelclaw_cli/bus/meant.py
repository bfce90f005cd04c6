"""The one run that an operator's word means, or why it is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joelclaw_cli.failures import NOT_FOUND, Failure, usage

if TYPE_CHECKING:
    from joelclaw_bus.inspect.find import Found
    from joelclaw_bus.store import Store

SHOWN = 10


async def the_one(store: Store, word: str) -> Found:
    """By run, event id, entry or dead letter; Failure when it means none, or several."""
    from joelclaw_bus.inspect.find import find_meant

    meant = await find_meant(store, word)
    if len(meant.runs) == 1:
        return meant.runs[0]
    if meant.runs:
        names = sorted({one.name for one in meant.runs})
        raise usage(f"{word} can mean {len(meant.runs)} runs", fix=f"name one of them: {', '.join(names[:SHOWN])}")
    fix = f"the nearest: {', '.join(meant.nearest)}" if meant.nearest else "see what there is: joelclaw bus runs"
    found = f"there is no run {word}, nor an event with that id or entry"
    if meant.beyond:
        found = (
            f"no run {word} is recorded, and {', '.join(meant.beyond[:SHOWN])} holds more unread events than were "
            "looked at; name its entry (joelclaw bus tail shows it)"
        )
    look = (("joelclaw bus runs", "list every run"),)
    raise Failure("not_found", found, fix=fix, exit_code=NOT_FOUND, next_actions=look)
