"""`joelclaw bus explain RUN`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.failures import NOT_FOUND, Failure, usage
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.explain import Explanation
    from joelclaw_bus.inspect.explain_facts import RunSituation
    from joelclaw_bus.store import Store


@command(
    "explain",
    store=True,
    examples=[
        ("joelclaw bus explain shop/ship:order-1", "one run: FUNCTION:EVENT-ID"),
        ("joelclaw bus explain order-1", "by the id or the entry of its event, if only one run has it"),
    ],
)
@click.argument("run_id", metavar="RUN")
def explain(place: Place, run_id: str) -> Answer:
    """Why a run isn't moving, in one line, and what to do.

    A limit, a pause, a backoff, a sleep, an awaited event, no worker, a lost lease, a poisoned event, or how it ended.
    """
    from joelclaw_bus.inspect.explain import explain as judge
    from joelclaw_bus.inspect.explain_facts import read_situation
    from joelclaw_bus.inspect.find import find_meant

    async def look(store: Store) -> RunSituation:
        meant = await find_meant(store, run_id)
        if len(meant.runs) != 1:
            raise _not_one(run_id, [run for _, run in meant.runs], meant.nearest)
        return await read_situation(store, *meant.runs[0])

    seen = place.run(look)
    said = judge(seen)

    def view() -> Iterable[RenderableType]:
        return _lines(seen, said)

    result = {"run": seen.run, "event": seen.event, "function": seen.function}
    result |= {"state": seen.record.get("state", ""), **asdict(said)}
    return Answer(result, view, ((f"joelclaw bus run {seen.run}", "look at it in full"),) if seen.record else ())


def _lines(seen: RunSituation, said: Explanation) -> Iterable[RenderableType]:
    from joelclaw_cli.render import text

    yield text(f"{seen.run}: {said.why}", "" if said.moves else "bold yellow")
    yield text(f"What to do: {said.todo}{'' if said.todo.endswith('?') else '.'}")


def _not_one(word: str, runs: list[str], nearest: tuple[str, ...]) -> Failure:
    if runs:
        return usage(f"{word} can mean {len(runs)} runs", fix=f"name one of them: {', '.join(sorted(set(runs))[:10])}")
    fix = f"the nearest: {', '.join(nearest)}" if nearest else "see what there is: joelclaw bus runs"
    look = (("joelclaw bus runs", "list every run"),)
    return Failure("not_found", f"there is no run {word}", fix=fix, exit_code=NOT_FOUND, next_actions=look)
