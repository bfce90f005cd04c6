"""`joelclaw backup queue`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from joelclaw_cli.answer import Answer
from joelclaw_cli.backup.found import backups, environ_for
from joelclaw_cli.backup.progress import how_far
from joelclaw_cli.command import command, state_option

if TYPE_CHECKING:
    from rich.console import RenderableType


@command(
    "queue",
    examples=[
        ("joelclaw backup queue", "what waits, for how long, and what keeps it here"),
        ("joelclaw backup queue --json", "for programs"),
    ],
)
def queue(state_dir: Path) -> Answer:
    """What waits on this disk for a way to the NAS.

    Nothing here is proven, and no list of backups knows it. The backup service carries it to its destination within a
    minute of a way's return, verifies it there, and only then takes it away here. One whose data are the trouble is
    tried ever more rarely, at least every six hours, and is never dropped.
    """
    told = backups().queue(environ_for(state_dir))

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import fields, good, span, table, warning

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


queue.params.insert(0, state_option())
