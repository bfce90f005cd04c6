"""`joelclaw bus dead`: list, show, replay, drop."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import Group, command
from joelclaw_cli.failures import Failure, not_found, usage
from joelclaw_cli.payload import confirmed, read_data, valid_payload
from joelclaw_cli.place import Place
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.dead import DeadLetter
    from joelclaw_bus.store import Store

LOOK = "joelclaw bus dead list"

dead = Group(
    "dead",
    help="Dead letters: what could not be read, and what no attempt could mend.",
    examples=[
        (LOOK, "the latest"),
        ("joelclaw bus dead show 1763770000000-0", "one in full"),
        ("joelclaw bus dead replay 1763770000000-0 --data @mended.json", "once it is mended"),
    ],
)

_event = click.option("--event", default="*", help="Of this event only (a name, or a pattern).")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")
_dry_run = click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")


@command(
    "list",
    group=dead,
    store=True,
    examples=[(LOOK, "the latest"), (f"{LOOK} --event 'system/backup*'", "of some events")],
)
@_event
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

        rows = ((x.id, clock(x.buried_ms), x.event, x.function, shortened(x.error, 100)) for x in letters)
        columns = ("letter", "buried", "event", "function", "error")
        yield table(columns, rows, empty="no dead letters", drop=("buried",), shorten=("function",))
        yield from part(len(letters), total, "letters")

    actions = ((f"joelclaw bus dead show {letters[0].id}", "look at one"),) if letters else ()
    return Answer({"letters": [_facts(x) for x in letters], "shown": len(letters), "total": total}, view, actions)


@command(
    "show",
    group=dead,
    store=True,
    examples=[("joelclaw bus dead show 1763770000000-0", "why it died, and what it held")],
)
@click.argument("letter_id", metavar="ID", type=WORD)
@_event
def show(place: Place, letter_id: str, event: str) -> Answer:
    """One dead letter in full."""
    letter = place.run(lambda store: _find(store, letter_id, event))

    def view() -> Iterable[RenderableType]:
        return _picture(letter)

    return Answer(
        _facts(letter),
        view,
        (
            (f"joelclaw bus dead replay {letter.id}", "send it anew as it is"),
            (f"joelclaw bus dead replay {letter.id} --data @mended.json", "send it anew, mended"),
        ),
    )


@command(
    "replay",
    group=dead,
    store=True,
    examples=[
        ("joelclaw bus dead replay 1763770000000-0", "as it was, after the cause is mended"),
        ("joelclaw bus dead replay 1763770000000-0 --data @mended.json --yes", "with a mended payload"),
        ("joelclaw bus dead replay 1763770000000-0 --dry-run", "look first"),
    ],
)
@click.argument("letter_id", metavar="ID", type=WORD)
@click.option("--data", metavar="JSON|@FILE|-", help="The mended payload instead of the old one.")
@click.option("--force", is_flag=True, help="Even if the event's model refuses the payload.")
@_event
@_yes
@_dry_run
def replay(place: Place, letter_id: str, data: str | None, force: bool, event: str, yes: bool, dry_run: bool) -> Answer:
    """Send a dead letter's event anew, under a new id with replayOf.

    Every function of the event gets it, as it gets any new event; the letter goes.
    """
    from joelclaw_bus.dead_letters import replay as put_back
    from joelclaw_bus.dead_letters import replay_id

    letter = place.run(lambda store: _find(store, letter_id, event))
    payload = valid_payload(letter.event, _payload(letter, data), force=force)
    plan: dict[str, Any] = {"event": letter.event, "id": replay_id(letter), "replayOf": letter.event_id or letter.id}
    plan |= {"data": json.loads(payload), "dry_run": dry_run, "entry": None}
    if not dry_run:
        confirmed(f"Send {letter.event} anew, with {len(payload)} bytes, to every function that takes it", yes=yes)
        plan["entry"] = place.run(lambda store: put_back(store, letter, payload))
        if plan["entry"] is None:
            raise not_found("dead letter", letter_id, look=LOOK)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import fields, good

        yield good(f"{'would send' if dry_run else 'sent'} {letter.event} anew")
        yield fields((k, v if isinstance(v, str) else json.dumps(v)) for k, v in plan.items() if v and k != "event")

    return Answer(plan, view, ((f"joelclaw bus tail {letter.event}", "see it on its stream"),))


@command(
    "drop",
    group=dead,
    store=True,
    examples=[
        ("joelclaw bus dead drop 1763770000000-0", "asks before it deletes"),
        ("joelclaw bus dead drop 1763770000000-0 --yes", "for scripts"),
    ],
)
@click.argument("letter_id", metavar="ID", type=WORD)
@_event
@_yes
@_dry_run
def drop(place: Place, letter_id: str, event: str, yes: bool, dry_run: bool) -> Answer:
    """Delete a dead letter. It can't be brought back."""
    from joelclaw_bus.dead_letters import drop as delete

    letter = place.run(lambda store: _find(store, letter_id, event))
    if not dry_run:
        confirmed(f"Delete the dead letter {letter.id} of {letter.event} ({letter.error[:80]})", yes=yes)
        if not place.run(lambda store: delete(store, letter)):
            raise not_found("dead letter", letter_id, look=LOOK)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good

        yield good(f"{'would delete' if dry_run else 'deleted'} {letter.id} of {letter.event}")

    return Answer(_facts(letter) | {"dry_run": dry_run}, view, ((LOOK, "what is left"),))


async def _find(store: Store, letter_id: str, event: str) -> DeadLetter:
    from joelclaw_bus.inspect.dead import find_dead

    found = await find_dead(store, letter_id, pattern=event)
    if not found:
        raise not_found("dead letter", letter_id, look=LOOK)
    if len(found) > 1:
        names = ", ".join(x.event for x in found)
        raise usage(f"{letter_id} names {len(found)} letters, of {names}", fix="add --event NAME")
    return found[0]


def _payload(letter: DeadLetter, data: str | None) -> bytes:
    if data is not None:
        return read_data(data)
    if "data" in letter.cut or "data" not in letter.fields:
        raise Failure(
            "payload_gone",
            f"letter {letter.id} keeps {letter.cut.get('data', 'no payload')}, so it can't be sent as it was",
            fix="give the whole payload with --data @file",
        )
    return letter.fields["data"].encode()


def _facts(letter: DeadLetter) -> dict[str, Any]:
    return asdict(letter) | {"data": letter.data}


def _picture(letter: DeadLetter) -> Iterable[RenderableType]:
    from joelclaw_cli.render import clock, fields

    yield fields(
        [
            ("letter", letter.id),
            ("event", f"{letter.event}  {letter.event_id}"),
            ("buried", clock(letter.buried_ms)),
            ("function", letter.function),
            ("run", letter.run),
            ("error", letter.error),
            *((f"attempt {n}", said) for n, said in sorted(letter.errors.items())),
            *((f"{name} (cut)", said) for name, said in letter.cut.items()),
            ("data", letter.fields.get("data", "")[:2000]),
        ]
    )
