"""An act on all that a filter means: counted first, done one by one, and what could not be done is told, not hidden."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from joelclaw_cli.answer import Answer, Next
from joelclaw_cli.failures import Failure, failure_of, usage

if TYPE_CHECKING:
    from rich.console import RenderableType

T = TypeVar("T")
Found = AsyncGenerator[T, None]
SHOWN = 20
"""So many of what was left are told one by one."""
EVERYBODYS = ("store_unavailable", "store_refused", "internal")
"""Failures that the next one would meet as well."""


@dataclass
class Tally:
    """How an act on many went. `left`: what could not be acted on, and why; at most SHOWN of them."""

    done: int = 0
    gone: int = 0
    left_count: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return self.done + self.gone + self.left_count

    def leave(self, what: str, why: str) -> None:
        self.left_count += 1
        if len(self.left) < SHOWN:
            self.left.append((what, why))


def many_meant(one: str | None, *, filters: Iterable[object]) -> bool:
    """Whether many are meant. Neither, or both, is a mistake of the command line: nothing may be guessed here."""
    many = any(filters)
    if one and many:
        raise usage(f"{one} is one, and a filter means many", fix="give the ID, or filters, not both")
    if not one and not many:
        raise usage("nothing is named", fix="give an ID, a filter, or --all")
    return many


async def count(found: Found[T]) -> int:
    """How many there are."""
    async with aclosing(found) as each:
        return sum([1 async for _ in each])


async def act_on(found: Found[T], most: int, name: Callable[[T], str], act: Callable[[T], Awaitable[bool]]) -> Tally:
    """Act on each, until `most` are done. `act` says whether it was still there; what it refuses is left, with its
    reason, and doesn't count: asked again, it would be met first again.

    A store that is away ends it: the rest would fare no better.
    """
    tally = Tally()
    async with aclosing(found) as each:
        async for one in each:
            try:
                there = await act(one)
            except Exception as error:  # this one's reason, unless it is everybody's
                failure = failure_of(error)
                if failure.code in EVERYBODYS:
                    far = f"after {tally.done} were done: {failure.message}"
                    raise Failure(failure.code, far, fix=failure.fix, exit_code=failure.exit_code) from error
                tally.leave(name(one), failure.message)
            else:
                tally.done += there
                tally.gone += not there
            if tally.done + tally.gone == most:
                break
    return tally


def told(tally: Tally, meant: int, *, verb: str, things: str, dry_run: bool, look: Next) -> Answer:
    """How it went with the `meant`. To leave one is a fault, in a dry run too: that is what it is for."""
    result: dict[str, Any] = {"dryRun": dry_run, "meant": meant, "done": 0 if dry_run else tally.done}
    result |= {"gone": tally.gone, "left": tally.left_count}
    result |= {"leftFirst": [{"id": what, "why": why} for what, why in tally.left]}

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good, table, warning

        yield good(f"{'would ' if dry_run else ''}{verb} {tally.done:,} of {meant:,} {things}")
        if meant > tally.seen:
            yield f"{meant - tally.seen:,} more are meant; ask again, or raise --limit"
        if tally.gone:
            yield f"{tally.gone:,} were gone, or had ended, by themselves"
        if tally.left:
            yield warning(f"{tally.left_count:,} are left as they were")
            yield table(("id", "why"), tally.left, empty="")

    trouble = None
    if tally.left:
        which, why = tally.left[0]
        said = f"{tally.left_count} of {tally.seen} {things} are left as they were, {which} among them: {why}"
        trouble = Failure("partly_done", said, fix="act on each of them by its ID")
    return Answer(result, view, (look,), trouble)
