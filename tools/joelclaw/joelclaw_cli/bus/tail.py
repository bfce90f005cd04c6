"""`joelclaw bus tail`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command, wants_json
from joelclaw_cli.durations import DURATION
from joelclaw_cli.place import Place
from joelclaw_cli.safe import plain_json, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.entries import Entry
    from joelclaw_bus.store import Store

EVIDENCE = "otel/event"


@command(
    "tail",
    store=True,
    progress=False,
    examples=[
        ("joelclaw bus tail 'system/*' --since 5m", "the last five minutes"),
        ("joelclaw bus tail --follow", "every event as it comes, until Ctrl-C"),
        ("joelclaw bus tail system/self.healing.completed --json", "the answers, for a program"),
    ],
)
@click.argument("pattern", default="*")
@click.option("--since", type=DURATION, help="How far back: 30s, 5m, 2h.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@click.option("--follow", "-f", is_flag=True, help="Go on as events come. In JSON: one event a line, no envelope.")
def tail(place: Place, pattern: str, since: int | None, limit: int, follow: bool) -> Answer | None:
    """The latest events, or events as they come.

    PATTERN is an event name in which * stands for anything. Evidence (otel/event) is left out unless it is named.
    """
    from joelclaw_bus.inspect.entries import ends, is_past, latest
    from joelclaw_bus.inspect.entries import follow as as_they_come
    from joelclaw_contracts import check_pattern

    check_pattern(pattern)

    without = () if pattern.startswith("otel") else (EVIDENCE,)

    async def look(store: Store) -> list[Entry]:
        start = await store.time_ms() - since if since else 0
        after = await ends(store, pattern, without=without) if follow else {}
        found = await latest(store, pattern, since_ms=start, limit=limit, without=without)
        if follow:
            _print([entry for entry in found if is_past(entry, after)])  # what came meanwhile, following brings
            async for batch in as_they_come(store, pattern, after=after, without=without):
                _print(batch)
        return found

    try:
        entries = place.run(look)
    except KeyboardInterrupt:
        if follow:
            return None  # that is how one stops following
        raise

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import table

        yield table(("time", "event", "id", "data"), map(_row, entries), empty=f"no event matches {pattern}")

    return Answer(
        {"events": [asdict(e) for e in entries]},
        view,
        ((f"joelclaw bus tail '{pattern}' --follow", "watch what comes"),),
    )


def _row(entry: Entry) -> tuple[object, ...]:
    from joelclaw_cli.render import clock, shortened, words

    return clock(entry.ms), entry.name, shortened(entry.id, 36), shortened(words(entry.data), 240)


def _print(entries: Iterable[Entry]) -> None:
    for entry in entries:
        if wants_json():
            print(plain_json(json.dumps(asdict(entry), ensure_ascii=False)), flush=True)
        else:
            time, name, event_id, data = (visible(str(cell)) for cell in _row(entry))
            print(f"\033[2m{time}\033[0m \033[36m{name}\033[0m \033[2m{event_id}\033[0m {data}", flush=True)
    sys.stdout.flush()
