"""Which dead letters an operator means: one by its id, or all that a filter means."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import click

from joelclaw_cli.durations import DURATION
from joelclaw_cli.failures import Failure, not_found, usage
from joelclaw_cli.payload import read_data
from joelclaw_cli.words import PROSE, WORD

if TYPE_CHECKING:
    from joelclaw_bus.inspect.dead import DeadLetter, LetterFilter
    from joelclaw_bus.store import Store

LOOK = "joelclaw bus dead list"

event_option = click.option("--event", default="*", help="Of this event only (a name, or a pattern).")

_FILTERS = (
    click.argument("letter_id", metavar="ID", type=WORD, required=False),
    event_option,
    click.option("--function", type=WORD, help="All that this function left."),
    click.option("--error", type=PROSE, help="All whose error holds these words."),
    click.option("--since", type=DURATION, help="All that were buried in the last 90s, 5m, 2h, 3d."),
    click.option("--all", "everything", is_flag=True, help="All there are (with --event: of that event)."),
    click.option(
        "--limit",
        type=click.IntRange(1, 100_000),
        default=1000,
        show_default=True,
        help="So many of them, the oldest first.",
    ),
)


def filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """ID, or filters: `letter_id`, `event`, `function`, `error`, `since`, `everything`, `limit`."""
    for option in reversed(_FILTERS):
        function = option(function)
    return function


async def the_letters(
    store: Store, *, event: str, function: str | None, error: str | None, since: int | None
) -> LetterFilter:
    """The filter, as of now: what is buried from now on, perhaps by what we do, is not meant."""
    from joelclaw_bus.inspect.dead import LetterFilter

    now = await store.time_ms()
    return LetterFilter(event, function or "", error or "", now - since if since is not None else 0, now)


async def find_letter(store: Store, letter_id: str, event: str) -> DeadLetter:
    """The one with this id, or a Failure."""
    from joelclaw_bus.inspect.dead import find_dead

    found = await find_dead(store, letter_id, pattern=event)
    if not found:
        raise not_found("dead letter", letter_id, look=LOOK)
    if len(found) > 1:
        names = ", ".join(x.event for x in found)
        raise usage(f"{letter_id} names {len(found)} letters, of {names}", fix="add --event NAME")
    return found[0]


def shown(letter: DeadLetter) -> dict[str, Any]:
    """A letter as it is printed: without the secrets of its payload. The letter itself keeps them, for a replay."""
    from joelclaw_contracts import strict_json
    from joelclaw_contracts.redact import redact

    facts = asdict(letter) | {"data": letter.data}
    if isinstance(letter.data, dict):
        facts["fields"] |= {"data": json.dumps(redact(letter.data, strict_json.MAX_DEPTH), ensure_ascii=False)}
    return cast(dict[str, Any], redact(facts, strict_json.MAX_DEPTH + 1))


def payload_of(letter: DeadLetter, data: str | None = None) -> bytes:
    """What is sent anew: `data`, as it was given on the command line, else the letter's own."""
    if data is not None:
        return read_data(data)
    if "data" in letter.cut or "data" not in letter.fields:
        raise Failure(
            "payload_gone",
            f"letter {letter.id} keeps {letter.cut.get('data', 'no payload')}, so it can't be sent as it was",
            fix="give the whole payload with --data @file",
        )
    return letter.fields["data"].encode()
