"""`joelclaw bus dead`: list and show; `dead_acts` has what changes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.bus.letters import LOOK, event_option, find_letter, shown
from joelclaw_cli.command import Group, command
from joelclaw_cli.place import Place
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.dead import DeadLetter
    from joelclaw_bus.store import Store

dead = Group(
    "dead",
    help="Dead letters: what could not be read, and what no attempt could mend.",
    lazy={
        "replay": ("joelclaw_cli.bus.dead_acts:replay", "Send a dead letter's event anew, or those of many."),
        "redrive": ("joelclaw_cli.bus.dead_redrive:redrive", "Let a failed run go on, or those of many letters."),
        "drop": ("joelclaw_cli.bus.dead_acts:drop", "Delete a dead letter, or many."),
    },
    examples=[
        (LOOK, "the latest"),
        ("joelclaw bus dead show 1763770000000-0", "one in full"),
        ("joelclaw bus dead replay 1763770000000-0 --data @mended.json", "once it is mended"),
        ("joelclaw bus dead replay --function shop/ship --since 2h --dry-run", "all of an outage"),
    ],
)


@command(
    "list",
    group=dead,
    store=True,
    examples=[(LOOK, "the latest"), (f"{LOOK} --event 'system/backup*'", "of some events")],
)
@event_option
@click.option("--limit", type=click.IntRange(1, 5000), default=30, show_default=True, help="At most so many.")
def list_letters(place: Place, event: str, limit: int) -> Answer:
    """The latest dead letters."""
    from joelclaw_bus.inspect.dead import count_dead, list_dead
    from joelclaw_contracts import check_pattern

    check_pattern(event)

    async def look(store: Store) -> tuple[list[DeadLetter], int]:
        return await list_dead(store, pattern=event, limit=limit), await count_dead(store, pattern=event)

    letters, total = place.run(look)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import clock, part, shortened, table
        from joelclaw_contracts.redact import redact_text

        rows = ((x.id, clock(x.buried_ms), x.event, x.function, shortened(redact_text(x.error), 100)) for x in letters)
        columns = ("letter", "buried", "event", "function", "error")
        yield table(columns, rows, empty="no dead letters", drop=("buried",), shorten=("function",))
        yield from part(len(letters), total, "letters")

    actions = ((f"joelclaw bus dead show {letters[0].id}", "look at one"),) if letters else ()
    return Answer({"letters": [shown(x) for x in letters], "shown": len(letters), "total": total}, view, actions)


@command(
    "show",
    group=dead,
    store=True,
    examples=[("joelclaw bus dead show 1763770000000-0", "why it died, and what it held")],
)
@click.argument("letter_id", metavar="ID", type=WORD)
@event_option
def show(place: Place, letter_id: str, event: str) -> Answer:
    """One dead letter in full, but without the secrets of its payload: a replay has them."""
    letter = place.run(lambda store: find_letter(store, letter_id, event))
    facts = shown(letter)
    redrive = [(f"joelclaw bus dead redrive {letter.id}", "let this run alone go on")] if letter.kind == "run" else []

    def view() -> Iterable[RenderableType]:
        return _picture(facts, letter.event_id)

    return Answer(
        facts,
        view,
        (
            *redrive,
            (f"joelclaw bus dead replay {letter.id}", "send it anew as it is"),
            (f"joelclaw bus dead replay {letter.id} --data @mended.json", "send it anew, mended"),
        ),
    )


def _picture(facts: dict[str, Any], event_id: str) -> Iterable[RenderableType]:
    from joelclaw_cli.render import clock, fields

    yield fields(
        [
            ("letter", facts["id"]),
            ("event", f"{facts['event']}  {event_id}"),
            ("buried", clock(facts["buried_ms"])),
            ("function", facts["function"]),
            ("run", facts["run"]),
            ("error", facts["error"]),
            *((f"attempt {n}", said) for n, said in sorted(facts["errors"].items(), key=lambda item: int(item[0]))),
            *((f"{name} (cut)", said) for name, said in facts["cut"].items()),
            ("data", facts["fields"].get("data", "")[:2000]),
        ]
    )
