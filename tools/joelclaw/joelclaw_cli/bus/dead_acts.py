"""`joelclaw bus dead replay` and `drop`: of one letter, or of all that a filter means."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.bus.letters import LOOK, filter_options, find_letter, payload_of, shown, the_letters
from joelclaw_cli.bus.many import Tally, act_on, count, many_meant, told
from joelclaw_cli.bus.options import dry_run_option, yes_option
from joelclaw_cli.command import command
from joelclaw_cli.failures import not_found, usage
from joelclaw_cli.payload import confirmed, valid_payload
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.dead import DeadLetter, LetterFilter
    from joelclaw_bus.store import Store

Filter = dict[str, Any]
SEE = (LOOK, "what is left")


@command(
    "replay",
    store=True,
    examples=[
        ("joelclaw bus dead replay 1763770000000-0", "as it was, after the cause is mended"),
        ("joelclaw bus dead replay 1763770000000-0 --data @mended.json --yes", "with a mended payload"),
        ("joelclaw bus dead replay --function shop/ship --since 2h --dry-run", "an outage's, looked at first"),
        ("joelclaw bus dead replay --error 'connection refused' --limit 100 --yes", "the oldest hundred of a cause"),
    ],
)
@filter_options
@click.option("--data", metavar="JSON|@FILE|-", help="The mended payload of one letter, instead of the old one.")
@click.option("--force", is_flag=True, help="Even if the event's model refuses the payload.")
@yes_option
@dry_run_option
def replay(
    place: Place,
    letter_id: str | None,
    data: str | None,
    force: bool,
    everything: bool,
    limit: int,
    yes: bool,
    dry_run: bool,
    **meant: Any,
) -> Answer:
    """Send a dead letter's event anew, or those of many.

    It goes under a new id, with replayOf, to every function that takes the event; the letter goes. Of many, the oldest
    go first. What can't be sent as it was stays where it is and is named. Asked again after an interruption it sends
    the rest, none twice.
    """
    if many_named(letter_id, meant, everything):
        if data is not None:
            raise usage("--data is one letter's payload, and a filter means many", fix="give the letter's ID")
        return _replay_many(place, meant, limit, force=force, yes=yes, dry_run=dry_run)
    return _replay_one(place, letter_id or "", meant["event"], data, force=force, yes=yes, dry_run=dry_run)


def many_named(letter_id: str | None, meant: Filter, everything: bool) -> bool:
    """Whether a filter is given instead of an ID. --event alone narrows an ID, too: it means many only beside --all."""
    filters = [everything, *(meant[name] is not None for name in ("function", "error", "since"))]
    return many_meant(letter_id, filters=filters)


def _replay_one(
    place: Place, letter_id: str, event: str, data: str | None, *, force: bool, yes: bool, dry_run: bool
) -> Answer:
    from joelclaw_bus.dead_letters import replay as put_back
    from joelclaw_bus.dead_letters import replay_id
    from joelclaw_contracts import strict_json
    from joelclaw_contracts.redact import redact

    letter = place.run(lambda store: find_letter(store, letter_id, event))
    payload = valid_payload(letter.event, payload_of(letter, data), force=force)
    plan: dict[str, Any] = {"event": letter.event, "id": replay_id(letter), "replayOf": letter.event_id or letter.id}
    plan |= {"data": redact(json.loads(payload), strict_json.MAX_DEPTH), "dry_run": dry_run, "entry": None}
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


def _replay_many(place: Place, meant: Filter, limit: int, *, force: bool, yes: bool, dry_run: bool) -> Answer:
    from joelclaw_bus.dead_letters import replay as put_back
    from joelclaw_bus.inspect.dead import each_letter

    which, total = counted_letters(place, meant)
    if not dry_run and total:
        many = min(total, limit)
        confirmed(f"Send the events of {many:,} dead letters anew, each to every function that takes it", yes=yes)

    async def act(store: Store) -> Tally:
        async def send(letter: DeadLetter) -> bool:
            payload = valid_payload(letter.event, payload_of(letter), force=force)
            return dry_run or await put_back(store, letter, payload) is not None

        return await act_on(each_letter(store, which), limit, lambda x: x.id, send)

    return told(place.run(act), total, verb="send anew", things="letters", dry_run=dry_run, look=SEE)


@command(
    "drop",
    store=True,
    examples=[
        ("joelclaw bus dead drop 1763770000000-0", "asks before it deletes"),
        ("joelclaw bus dead drop 1763770000000-0 --yes", "for scripts"),
        ("joelclaw bus dead drop --all --event shop/test.ping --dry-run", "a whole event's, looked at first"),
    ],
)
@filter_options
@yes_option
@dry_run_option
def drop(
    place: Place, letter_id: str | None, everything: bool, limit: int, yes: bool, dry_run: bool, **meant: Any
) -> Answer:
    """Delete a dead letter, or many. They can't be brought back."""
    if many_named(letter_id, meant, everything):
        return _drop_many(place, meant, limit, yes=yes, dry_run=dry_run)
    return _drop_one(place, letter_id or "", meant["event"], yes=yes, dry_run=dry_run)


def _drop_one(place: Place, letter_id: str, event: str, *, yes: bool, dry_run: bool) -> Answer:
    from joelclaw_bus.dead_letters import drop as delete

    letter = place.run(lambda store: find_letter(store, letter_id, event))
    if not dry_run:
        confirmed(f"Delete the dead letter {letter.id} of {letter.event} ({letter.error[:80]})", yes=yes)
        if not place.run(lambda store: delete(store, letter)):
            raise not_found("dead letter", letter_id, look=LOOK)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good

        yield good(f"{'would delete' if dry_run else 'deleted'} {letter.id} of {letter.event}")

    return Answer(shown(letter) | {"dry_run": dry_run}, view, (SEE,))


def _drop_many(place: Place, meant: Filter, limit: int, *, yes: bool, dry_run: bool) -> Answer:
    from joelclaw_bus.dead_letters import drop as delete
    from joelclaw_bus.inspect.dead import each_letter

    which, total = counted_letters(place, meant)
    if not dry_run and total:
        confirmed(f"Delete {min(total, limit):,} dead letters", yes=yes)

    async def act(store: Store) -> Tally:
        async def delete_one(letter: DeadLetter) -> bool:
            return dry_run or await delete(store, letter)

        return await act_on(each_letter(store, which), limit, lambda x: x.id, delete_one)

    return told(place.run(act), total, verb="delete", things="letters", dry_run=dry_run, look=SEE)


def counted_letters(place: Place, meant: Filter) -> tuple[LetterFilter, int]:
    """The filter as of now, and how many it means."""
    from joelclaw_bus.inspect.dead import each_letter
    from joelclaw_contracts import check_pattern

    check_pattern(meant["event"])

    async def look(store: Store) -> tuple[LetterFilter, int]:
        which = await the_letters(store, **meant)
        return which, await count(each_letter(store, which))

    return place.run(look)
