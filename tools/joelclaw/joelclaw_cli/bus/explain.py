"""`joelclaw bus explain RUN`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.bus.meant import the_one
from joelclaw_cli.command import command
from joelclaw_cli.place import Place
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.explain import Explanation, RunSituation
    from joelclaw_bus.store import Store


@command(
    "explain",
    store=True,
    examples=[
        ("joelclaw bus explain shop/ship:order-1", "one run: FUNCTION:EVENT-ID"),
        ("joelclaw bus explain order-1", "by the id or the entry of its event, if only one run has it"),
    ],
)
@click.argument("run_id", metavar="RUN", type=WORD)
def explain(place: Place, run_id: str) -> Answer:
    """Why a run isn't moving, in one line, and what to do.

    A limit, a pause, a backoff, a sleep, an awaited event, no worker, a lost lease, a backlog, a poisoned event, or how
    it ended. Also of an event that no worker has read yet, and of one that was buried.
    """
    from joelclaw_bus.inspect.explain import explain as judge
    from joelclaw_bus.inspect.explain import read_situation

    async def look(store: Store) -> RunSituation:
        return await read_situation(store, await the_one(store, run_id))

    seen = place.run(look)
    said = judge(seen)

    def view() -> Iterable[RenderableType]:
        return _lines(seen, said)

    result = {"run": seen.run, "event": seen.event, "function": seen.function}
    result |= {"entry": seen.entry, "state": seen.record.get("state", ""), **asdict(said)}
    return Answer(result, view, ((f"joelclaw bus run {seen.run}", "look at it in full"),) if seen.record else ())


def _lines(seen: RunSituation, said: Explanation) -> Iterable[RenderableType]:
    from joelclaw_cli.render import text

    yield text(f"{seen.name}: {said.why}", "" if said.moves else "bold yellow")
    yield text(f"What to do: {said.todo}{'' if said.todo.endswith('?') else '.'}")
