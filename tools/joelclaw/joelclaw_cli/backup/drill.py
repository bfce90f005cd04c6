"""`joelclaw backup drill`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.backup.found import TARGETS, backups, environ_with_source, no_copy, shown
from joelclaw_cli.backup.progress import bar
from joelclaw_cli.command import command, state_option
from joelclaw_cli.failures import Failure
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType

MEANS = {
    "did-not-start": "its bytes are right, but no server here would load them",
    "started-and-differs": "it restores, and holds something else than the source did",
}


@command(
    "drill",
    progress=False,
    examples=[
        ("joelclaw backup drill --latest redis", "restore the newest verified copy, and compare"),
        ("joelclaw backup drill --latest typesense", "the same; needs a typesense-server, TYPESENSE_SERVER_BINARY"),
        ("joelclaw backup drill 20261122T031500Z-0123456789ab", "one of the list"),
    ],
)
@click.argument("artefact", metavar="[ID]", type=WORD, required=False)
@click.option("--latest", "target", type=click.Choice(TARGETS), help="The newest verified copy of this target.")
def drill(state_dir: Path, artefact: str | None, target: str | None) -> Answer:
    """Restore a copy in a throwaway server, and compare it with what its source held.

    The server is started from the copy, on a socket of its own, and removed whatever happens. Compared are every byte,
    the keys of each database and a digest of all contents, taken at the source at the dump's moment. Exit code 1 says
    which of them is not the same; the copy is then no longer verified.
    """
    if (artefact is None) == (target is None):
        raise click.UsageError("name a copy, or --latest and its target")
    wanted = artefact or f"{target}/latest"
    with bar("fetching", shown(state_dir, wanted).get("bytes")) as told:
        found = backups().drill(environ_with_source(state_dir), wanted, told)
    if found is None:
        raise no_copy(wanted)

    def view() -> Iterable[RenderableType]:
        yield from _picture(found)

    trouble = None if found["ok"] else _trouble(found)
    again = ("joelclaw backup run redis --wait", "make a new one")
    return Answer(found, view, (("joelclaw backup list", "every copy"), *(() if found["ok"] else (again,))), trouble)


def _trouble(found: dict[str, Any]) -> Failure:
    if found["verdict"] == "verified":
        still = f"{found['id']} restores, and is {found['standing']} all the same: {found['problem']}"
        return Failure("backup_damaged", still, fix="make a new one: joelclaw backup run")
    wrong = "; ".join(f"{f['file']}: {f['detail']}" for f in found["findings"]) or found["detail"]
    what = MEANS.get(found["verdict"], "it is not what left the source")
    return Failure(
        "drill_failed",
        f"{found['id']}: {found['verdict']}: {what}: {wrong}",
        fix="do not rely on it; joelclaw backup list says what else there is",
    )


def _picture(found: dict[str, Any]) -> Iterable[RenderableType]:
    from joelclaw_cli.render import fields, good, span, warning

    if found["ok"]:
        yield good(f"{found['id']} restores, and is what the source held")
    else:
        yield warning(f"{found['id']}: {found['verdict']}")
    restored, expected = found["restored"] or {}, found["expected"] or {}
    yield fields(
        [
            ("path", found["path"]),
            ("verdict", found["verdict"]),
            ("detail", found["detail"]),
            ("read", f"{found['rereadBytes']:,} bytes"),
            ("restored in", span(found["restoreMs"]) if found["restoreMs"] is not None else "not restored"),
            (restored.get("of", "keys"), f"{restored['keys']:,}" if restored else ""),
            ("the source had", f"{expected['keys']:,}" if expected else "no witness was taken: counts of the dump"),
            ("digest", restored.get("digest", "")),
            ("the source since", found["source"]),
        ]
    )


drill.params.insert(0, state_option())
