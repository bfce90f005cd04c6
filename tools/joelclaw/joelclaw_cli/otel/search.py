"""`joelclaw otel search QUERY` and `joelclaw otel list`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.otel.evidence import Wanted, filters, picture, read
from joelclaw_cli.place import Place
from joelclaw_cli.words import PROSE

if TYPE_CHECKING:
    from rich.console import RenderableType

_limit = click.option("--limit", type=click.IntRange(1, 10_000), default=30, show_default=True, help="At most so many.")


@command(
    "search",
    store=True,
    examples=[
        ("joelclaw otel search system.self-healing.router --hours 1", "what the router decided in the last hour"),
        ("joelclaw otel search typesense --success false", "what went wrong with it"),
        ("joelclaw otel search inc-4f0c --limit 100 --all", "everything about one incident, however old"),
    ],
)
@click.argument("query", type=PROSE)
@filters
@_limit
def search(
    place: Place,
    query: str,
    hours: float | None,
    level: str | None,
    source: str | None,
    component: str | None,
    success: bool | None,
    whole: bool,
    limit: int,
) -> Answer:
    """Evidence that holds a text: QUERY, in its action, component, source, error or metadata; the newest first."""
    return _answer(place, Wanted(query, hours, level, source, component, success), limit, whole)


@command(
    "list",
    store=True,
    examples=[
        ("joelclaw otel list", "the latest"),
        ("joelclaw otel list --level error --hours 24", "the errors of a day"),
    ],
)
@filters
@_limit
def list_evidence(
    place: Place,
    hours: float | None,
    level: str | None,
    source: str | None,
    component: str | None,
    success: bool | None,
    whole: bool,
    limit: int,
) -> Answer:
    """The latest evidence, newest first."""
    return _answer(place, Wanted("", hours, level, source, component, success), limit, whole)


def _answer(place: Place, wanted: Wanted, limit: int, whole: bool) -> Answer:
    found = read(place, wanted, limit, whole=whole)

    def view() -> Iterable[RenderableType]:
        yield from picture(found.pieces, "no evidence matches")
        yield from found.warned()

    result = {"count": len(found.pieces), "events": found.pieces, **found.told}
    return Answer(result, view, (("joelclaw otel stats --hours 24", "the last day, counted"),))
