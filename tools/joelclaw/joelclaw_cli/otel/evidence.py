"""Reading evidence: one row of `otel/event`, the filters, the picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.durations import Finite
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.entries import Entry, Looked
    from joelclaw_bus.store import Store

EVENT = "otel/event"
MOST = 100_000
"""So many pieces are looked at unless all are asked for: a search that finds nothing shall not keep a store busy."""
LEVELS = ("debug", "info", "warn", "error", "fatal")
Evidence = dict[str, Any]
F = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which evidence. `query` is searched, case aside, in action, component, source, error and metadata."""

    query: str = ""
    hours: float | None = None
    level: str | None = None
    source: str | None = None
    component: str | None = None
    success: bool | None = None

    def takes(self, evidence: Evidence) -> bool:
        """Whether this piece is wanted."""
        asked = (("level", self.level), ("source", self.source), ("component", self.component))
        if any(value is not None and evidence.get(field) != value for field, value in asked):
            return False
        if self.success is not None and evidence.get("success") is not self.success:
            return False
        return self.query.casefold() in _searched(evidence) if self.query else True


def filters(function: F) -> F:
    """The options that all reading commands share."""
    for option in reversed(
        (
            click.option("--hours", type=Finite(0, 24 * 366), help="Only the last so many hours."),
            click.option("--level", type=click.Choice(LEVELS), help="Of this level."),
            click.option("--source", help="From this service."),
            click.option("--component", help="Of this component or function."),
            click.option("--success", type=click.BOOL, metavar="true|false", help="Only good, or only bad."),
            click.option("--all", "whole", is_flag=True, help=f"Look beyond the newest {MOST:,} pieces."),
        )
    ):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Found:
    """The newest pieces that are wanted, newest first; and how far the search came."""

    pieces: list[Evidence]
    looked: Looked

    @property
    def told(self) -> dict[str, Any]:
        """The same for programs: `older`, whether evidence was left that nobody looked at."""
        return {"lookedAt": self.looked.entries, "lookedSince": self.looked.oldest_ms, "older": self.looked.left}

    def warned(self) -> Iterable[RenderableType]:
        """A line for people when it is a part of what there is."""
        if self.looked.left:
            from joelclaw_cli.render import clock, warning

            since = clock(self.looked.oldest_ms)
            yield warning(
                f"looked at the newest {self.looked.entries:,} pieces, back to {since}: --all looks at the older ones"
            )


def read(place: Place, wanted: Wanted, limit: int | None, *, whole: bool) -> Found:
    """The newest `limit` pieces that are wanted; `whole`: of all there are, else of the newest MOST."""
    from joelclaw_bus.inspect.entries import Looked, newest_first

    async def look(store: Store) -> Found:
        since = await store.time_ms() - round(wanted.hours * 3_600_000) if wanted.hours is not None else 0
        found, looked = list[Evidence](), Looked()
        pieces = newest_first(
            store, EVENT, since_ms=since, most=None if whole else MOST, keep=_keeping(wanted), looked=looked
        )
        async for entry in pieces:
            found.append(entry.data)
            if len(found) == limit:
                break
        return Found(found, looked)

    return place.run(look)


def picture(found: Iterable[Evidence], empty: str) -> Iterable[RenderableType]:
    """A line each: when, how bad, what, who, and what matters of the rest."""
    from joelclaw_cli.render import clock, shortened, state, table, words

    rows = (
        (
            clock(e["timestamp"]) if isinstance(e.get("timestamp"), int) else "",
            state(str(e.get("level", ""))),
            "✓" if e.get("success") else "✗",
            e.get("action", ""),
            e.get("component", ""),
            shortened(f"{e.get('error') or ''} {words(e.get('metadata') or {})}", 240),
        )
        for e in found
    )
    yield table(("time", "level", "", "action", "component", "what"), rows, empty=empty, drop=("component",))


def _keeping(wanted: Wanted) -> Callable[[Entry], bool]:
    return lambda entry: isinstance(entry.data, dict) and wanted.takes(entry.data)


def _searched(evidence: Evidence) -> str:
    words = [str(evidence.get(field) or "") for field in ("action", "component", "source", "error")]
    return "\n".join([*words, json.dumps(evidence.get("metadata"), ensure_ascii=False)]).casefold()
