"""`joelclaw backup queue`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.backup.found import backups, environ_for
from joelclaw_cli.backup.progress import how_far
from joelclaw_cli.command import command, state_option
from joelclaw_cli.failures import NOT_FOUND, Failure
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType


@command(
    "queue",
    examples=[
        ("joelclaw backup queue", "what waits, for how long, and what keeps it here"),
        (
            "joelclaw backup queue --retry 20261122T031500Z-0123456789ab",
            "its cause is mended",
        ),
        ("joelclaw backup queue --json", "for programs"),
    ],
)
@click.option("--retry", "artefact", metavar="ID", type=WORD, help="Let this one be tried within a minute.")
def queue(state_dir: Path, artefact: str | None) -> Answer:
    """What waits on this disk for a way to the NAS.

    Nothing here is proven, and no list of backups knows it. The backup service carries it to its destination within a
    minute of a way's return, verifies it there, and only then takes it away here. One whose data are the trouble is
    tried ever more rarely, at least every six hours, and is never dropped.
    """
    provider, environ = backups(), environ_for(state_dir)
    soon = _retried(provider.retry(environ, artefact), artefact) if artefact else None
    told = provider.queue(environ)
    if soon:
        told["retried"] = soon

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import fields, good, span, table, warning

        if soon:
            yield good(f"{soon['id']} is tried within a minute, where the backup service runs")
        size = f"{told['bytes']:,} of {told['capBytes']:,} bytes"
        count = len(told["entries"])
        yield warning(f"{count} wait, {size}") if count else good(f"nothing waits ({told['path']})")
        rows = (
            (
                e["target"],
                e["id"],
                f"{e['bytes']:,}",
                span(e["waitedMs"]),
                str(e["tries"]),
                e["againAt"] or "within a minute",
                e["failure"] or "",
                e["detail"],
            )
            for e in told["entries"]
        )
        if count:
            columns = ("target", "id", ">bytes", ">waits", ">tries", "tried again", "kept by", "because")
            yield table(columns, rows, empty="")
        yield fields((f"{p['what']} {p['id']}", how_far(p)) for p in told["progress"])

    return Answer(told, view, (("joelclaw nas status", "whether a way is open"),))


def _retried(soon: dict[str, Any] | None, artefact: str) -> dict[str, Any]:
    if soon is None:
        raise Failure(
            "not_found",
            f"no set with the id {artefact} waits in the queue",
            fix="joelclaw backup queue lists those that do; one that is gone was verified at its destination",
            exit_code=NOT_FOUND,
            next_actions=(("joelclaw backup queue", "what waits"), ("joelclaw backup list", "what is stored")),
        )
    return soon


queue.params.insert(0, state_option())
