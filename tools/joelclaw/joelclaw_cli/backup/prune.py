"""`joelclaw backup prune`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer, Next
from joelclaw_cli.backup.found import TARGETS, backups, environ_for
from joelclaw_cli.command import command, state_option
from joelclaw_cli.failures import Failure

if TYPE_CHECKING:
    from rich.console import RenderableType


@command(
    "prune",
    examples=[
        ("joelclaw backup prune --dry-run", "what would go, what stays, and why"),
        ("joelclaw backup prune --yes", "let it go"),
    ],
)
@click.option("--target", type=click.Choice(TARGETS), default="redis", show_default=True, help="Whose copies.")
@click.option("--dry-run", is_flag=True, help="Say what would go; remove nothing.")
@click.option("--yes", is_flag=True, help="Remove it without a question.")
def prune(state_dir: Path, target: str, dry_run: bool, yes: bool) -> Answer:
    """Let go of the copies that retention does not keep.

    Counted in verified copies, by `backup.destination.keep`, `keepDaily`, `keepWeekly` and `keepMonthly`; the newest
    `keepAtLeast` of them nothing removes. Each backup does the same at its end.
    """
    provider, environ = backups(), environ_for(state_dir)
    plan = provider.prune(environ, target, dry_run=True)
    if plan["pruned"] and not (dry_run or yes):
        question = f"remove {len(plan['pruned'])} copies, {plan['freedBytes']:,} bytes?"
        if not click.confirm(question, err=True):
            raise Failure("not_confirmed", "nothing was removed", fix="answer y, or take --yes")
    done = plan if dry_run or not plan["pruned"] else provider.prune(environ, target)

    def view() -> Iterable[RenderableType]:
        yield from _picture(done, dry_run)

    more: tuple[Next, ...] = (("joelclaw backup prune --yes", "let it go"),) if dry_run and done["pruned"] else ()
    return Answer({"dryRun": dry_run, **done}, view, (*more, ("joelclaw backup list", "every copy")))


def _picture(done: dict[str, Any], dry_run: bool) -> Iterable[RenderableType]:
    from joelclaw_cli.render import good, table, warning

    would = "would go" if dry_run else "went"
    yield good(f"{len(done['pruned'])} {would}, {done['freedBytes']:,} bytes")
    rows = [(would, p["id"], p["standing"], f"{p['bytes']:,}", "") for p in done["pruned"]]
    rows += [("stays", k["id"], k["standing"], f"{k['bytes']:,}", ", ".join(k["why"])) for k in done["kept"]]
    yield table(("", "id", "standing", ">bytes", "because"), rows, empty="no copy is kept there")
    for busy in done["inUse"]:
        yield warning(f"{busy} is being read at this moment, and stays for now")


prune.params.insert(0, state_option())
