"""`joelclaw bus runs` and `joelclaw bus run ID`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.failures import not_found
from joelclaw_cli.place import Place
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.runs import RunDetail, RunFacts
    from joelclaw_bus.store import Store

STATES = ("running", "queued", "held", "due", "waiting", "completed", "failed", "skipped", "cancelled", "ended")


@command(
    "runs",
    store=True,
    examples=[
        ("joelclaw bus runs", "the latest"),
        ("joelclaw bus runs --state failed", "those that failed"),
        ("joelclaw bus runs --function system/self-healing.router --limit 5", "of one function"),
    ],
)
@click.option("--function", default="", help="Of this function only.")
@click.option("--state", type=click.Choice(STATES), default=None, help="In this state only; ended: however it ended.")
@click.option("--limit", type=click.IntRange(1, 5000), default=30, show_default=True, help="At most so many.")
def runs(place: Place, function: str, state: str | None, limit: int) -> Answer:
    """Runs of functions, the latest first.

    A run that needed no step and no second attempt leaves no record once it has ended.
    """
    from joelclaw_bus.inspect.runs import page_of_runs

    async def look(store: Store) -> tuple[list[RunFacts], int, int]:
        found, total = await page_of_runs(store, function=function, state=state or "", limit=limit)
        return found, total, await store.time_ms()

    found, total, now = place.run(look)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import clock, part, relative, shortened, table
        from joelclaw_cli.render import state as coloured

        rows = (
            (
                coloured(r.state),
                r.id,
                r.event,
                r.attempt,
                clock(r.moved_ms),
                relative(r.due_ms, now),
                shortened(r.error, 60),
            )
            for r in found
        )
        columns = ("state", "run", "event", ">attempt", "moved", "due", "error")
        yield table(columns, rows, empty="no run is recorded", drop=("event", "attempt", "moved"))
        yield from part(len(found), total, "runs")

    look_at = found[0].id if found else "ID"
    result = {"runs": [asdict(r) for r in found], "shown": len(found), "total": total}
    return Answer(result, view, ((f"joelclaw bus run {look_at}", "look at one in full"),))


@command(
    "run",
    store=True,
    examples=[("joelclaw bus run system/self-healing.router:1763770000000-0", "one run: FUNCTION:EVENT-ID")],
)
@click.argument("run_id", metavar="ID", type=WORD)
def run(place: Place, run_id: str) -> Answer:
    """One run in full: steps, attempts, error."""
    from joelclaw_bus.inspect.runs import find_run

    async def look(store: Store) -> tuple[RunDetail | None, int]:
        return await find_run(store, run_id), await store.time_ms()

    found, now = place.run(look)
    if found is None:
        raise not_found("run", run_id, look="joelclaw bus runs")

    def view() -> Iterable[RenderableType]:
        return _picture(found, now)

    return Answer(asdict(found), view, ((f"joelclaw bus tail {found.facts.event}", "the events that start such runs"),))


def _picture(run: RunDetail, now: int) -> Iterable[RenderableType]:
    from joelclaw_cli.render import clock, fields, relative, shortened, state, table

    f = run.facts
    yield fields(
        [
            ("run", f.id),
            ("state", state(f.state)),
            ("function", f.function),
            ("event", f"{f.event}  {run.event.get('id', run.event.get('entry', ''))}"),
            ("begun", clock(f.created_ms)),
            ("due", f"{clock(f.due_ms)}  {relative(f.due_ms, now)}" if f.due_ms else ""),
            ("ended", clock(run.ended_ms)),
            ("attempt", f.attempt),
            ("begins", run.begins or ""),
            ("error", f.error),
            ("result", _json(run.result) if run.result is not None else ""),
            ("data", _json(run.event.get("data", ""))),
        ]
    )
    if run.errors:
        yield ""
        yield table(("attempt", "said"), ((n, shortened(e, 120)) for n, e in sorted(run.errors.items())), empty="")
    yield ""
    steps = ((name, shortened(_json(result), 120)) for name, result in run.steps.items())
    yield table(("step", "journaled result"), steps, empty="no step is journaled")


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
