"""`joelclaw bus dead redrive`: failed runs go on where they failed, or begin anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.bus.dead_acts import SEE, counted_letters, many_named
from joelclaw_cli.bus.letters import LOOK, filter_options, find_letter
from joelclaw_cli.bus.many import Tally, act_on, told
from joelclaw_cli.bus.options import dry_run_option, yes_option
from joelclaw_cli.command import command
from joelclaw_cli.failures import Failure, not_found
from joelclaw_cli.payload import confirmed
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.inspect.dead import DeadLetter
    from joelclaw_bus.store import Store


@command(
    "redrive",
    store=True,
    examples=[
        ("joelclaw bus dead redrive 1763770000000-0", "from the step that failed"),
        ("joelclaw bus dead redrive 1763770000000-0 --from start", "every step again"),
        ("joelclaw bus dead redrive --function shop/ship --since 2h --dry-run", "an outage's, looked at first"),
    ],
)
@filter_options
@click.option(
    "--from",
    "where",
    type=click.Choice(["step", "start"]),
    default="step",
    show_default=True,
    help="step: recorded steps count; start: they are done again.",
)
@yes_option
@dry_run_option
def redrive(
    place: Place,
    letter_id: str | None,
    where: str,
    everything: bool,
    limit: int,
    yes: bool,
    dry_run: bool,
    **meant: Any,
) -> Answer:
    """Let a failed run go on, or those of many letters.

    The same run of the same function is due at once, with fresh attempts; other functions of the event hear nothing of
    it. step.key stays the same, and what it sent within the window of ids (a day) is not sent twice. A run whose
    record is gone (a day after its end) can only be replayed.
    """
    if many_named(letter_id, meant, everything):
        return _many(place, meant, where, limit, yes=yes, dry_run=dry_run)
    return _one(place, letter_id or "", meant["event"], where, yes=yes, dry_run=dry_run)


def _one(place: Place, letter_id: str, event: str, where: str, *, yes: bool, dry_run: bool) -> Answer:
    async def look(store: Store) -> DeadLetter:
        found = await find_letter(store, letter_id, event)
        await _check(store, found)
        return found

    letter = place.run(look)
    plan = {"run": letter.run, "event": letter.event, "from": where, "dry_run": dry_run}
    if not dry_run:
        confirmed(f"Let {letter.run} go on from {_words(where)}", yes=yes)
        if not place.run(lambda store: _reopen(store, letter, where)):
            raise not_found("dead letter", letter_id, look=LOOK)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good

        yield good(f"{letter.run} {'would go' if dry_run else 'goes'} on from {_words(where)}")

    return Answer(plan, view, ((f"joelclaw bus run {letter.run}", "see how it goes"),))


def _many(place: Place, meant: dict[str, Any], where: str, limit: int, *, yes: bool, dry_run: bool) -> Answer:
    from joelclaw_bus.inspect.dead import each_letter

    which, total = counted_letters(place, meant)
    if not dry_run and total:
        confirmed(f"Let the runs of {min(total, limit):,} dead letters go on from {_words(where)}", yes=yes)

    async def act(store: Store) -> Tally:
        async def reopen(letter: DeadLetter) -> bool:
            await _check(store, letter)
            return dry_run or await _reopen(store, letter, where)

        return await act_on(each_letter(store, which), limit, lambda x: x.id, reopen)

    return told(place.run(act), total, verb="redrive", things="letters", dry_run=dry_run, look=SEE)


def _words(where: str) -> str:
    return "its start" if where == "start" else "the step that failed"


async def _check(store: Store, letter: DeadLetter) -> None:
    """Failure when the letter's run can't be opened again."""
    from joelclaw_bus.inspect.runs import redrivable

    if letter.kind != "run":
        raise Failure(
            "no_run",
            f"letter {letter.id} holds an event that could not be read, and no run of {letter.function} began",
            fix=f"mend it and send it anew: joelclaw bus dead replay {letter.id} --data @mended.json",
        )
    if (stands := await redrivable(store, letter.event, letter.run)) != "failed":
        raise _refusal(letter, stands)


async def _reopen(store: Store, letter: DeadLetter, where: str) -> bool:
    """Whether its letter was still there: who replays or drops it first decides."""
    from joelclaw_bus.limits import Limits
    from joelclaw_bus.order_calls import OrderCalls

    slot = store.keys.slot(letter.event)
    answer = await OrderCalls(store, Limits()).redrive(slot, letter.run, letter.id, from_start=where == "start")
    if not answer.done and answer.stands != "letter gone":
        raise _refusal(letter, answer.stands)
    return answer.done


def _refusal(letter: DeadLetter, stands: str) -> Failure:
    if stands:
        return Failure(
            "not_failed",
            f"run {letter.run} has not failed: it is {stands}",
            fix=f"joelclaw bus explain {letter.run}",
        )
    return Failure(
        "record_gone",
        f"run {letter.run} has no record any more, or no event in it",
        fix=f"send its event anew, to every function that takes it: joelclaw bus dead replay {letter.id}",
    )
