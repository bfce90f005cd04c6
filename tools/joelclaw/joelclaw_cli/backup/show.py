"""`joelclaw backup list`, `show ID` and `verify ID`: the shelf itself, never a run's word."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer, Next
from joelclaw_cli.backup.found import TARGETS, backups, environ_for, no_copy, shown, size_of
from joelclaw_cli.backup.progress import bar
from joelclaw_cli.command import command, state_option
from joelclaw_cli.failures import Failure
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType


@command("list", examples=[("joelclaw backup list", "what there is"), ("joelclaw backup list --json", "for programs")])
def list_artefacts(state_dir: Path) -> Answer:
    """Every copy at the destination, newest verified first.

    Read from the copies' own manifests: a run that said it succeeded is no proof. A copy that is "verified, read back
    only" was compared byte by byte, and never restored: no server of its kind was there (for Typesense: a
    typesense-server, TYPESENSE_SERVER_BINARY); joelclaw backup drill restores it. One that is "claimed" says itself
    that it was proven, and nothing on this machine says so: another suite made it, or the state directory is new. It
    counts for nothing here until joelclaw backup verify ID has read it all.
    """
    provider, environ = backups(), environ_for(state_dir)
    place = provider.destination(environ)
    found = [artefact for target in TARGETS for artefact in provider.list_artefacts(environ, target)]

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good, table, warning

        where = f"{place['path']} ({place['label']}, {place['kind']}, {place['tier']})"
        yield good(where) if place["state"] == "ok" else warning(f"{where}: {place['detail']}")
        rows = (
            (
                _stands(a),
                a["target"],
                a["id"],
                f"{a.get('bytes', 0):,}",
                f"{a['keys']:,} {a['of']}" if "keys" in a else "",
                a["verifiedAt"] or "",
                a["rereadAt"] or ("not since" if a["verifiedAt"] else ""),
                a["problem"] or a["path"],
            )
            for a in found
        )
        columns = ("standing", "target", "id", ">bytes", ">holds", "verified at", "read again", "where")
        yield table(columns, rows, empty="no copy is kept there")

    ask: Next = ("joelclaw backup run redis --wait", "make one")
    actions = ((f"joelclaw backup verify {found[0]['id']}", "read it again, all of it"), ask) if found else (ask,)
    return Answer({"destination": place, "artefacts": found}, view, actions)


def _stands(copy: dict[str, Any]) -> str:
    """In two words more where its bytes alone are proven."""
    return f"{copy['standing']}, read back only" if copy["provenBy"] == "read-back" else str(copy["standing"])


@command(
    "show",
    examples=[
        ("joelclaw backup show latest", "the newest verified one"),
        ("joelclaw backup show latest --json", "its manifest, its proof and what later looks found, whole"),
    ],
)
@click.argument("artefact", metavar="ID", type=WORD)
def show(state_dir: Path, artefact: str) -> Answer:
    """All that is known of a copy.

    Whose data it is, of which moment, how it was proven, and what every later look found.
    """
    told = shown(state_dir, artefact)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import fields, good, warning

        yield (
            good(f"{told['id']} is {_stands(told)}")
            if told["verified"]
            else warning(f"{told['id']} is {told['standing']}")
        )
        source, drilled = (told["manifest"] or {}).get("source", {}), told["lastDrill"] or {}
        yield fields(
            [
                ("path", told["path"]),
                ("problem", told["problem"]),
                ("source", f"{told.get('source', '')} {source.get('software', '')} {source.get('version', '')}"),
                ("taken at", told.get("takenAt", "")),
                ("size", f"{told.get('bytes', 0):,} bytes"),
                ("sha256", told.get("sha256", "")),
                (told.get("of", "keys"), f"{told.get('keys', 0):,}"),
                ("digest", told.get("digest") or "nothing exact was taken"),
                ("verified at", told["verifiedAt"] or "never"),
                ("proof noted here", "yes" if told["vouched"] else "no: this suite has no note of having proven it"),
                ("read again", told["rereadAt"] or "not since"),
                ("last drill", f"{drilled.get('verdict', 'none')} {drilled.get('at', '')}"),
                ("parent", told.get("parent") or "none"),
            ]
        )

    follow = ((f"joelclaw backup drill {told['id']}", "restore it in a throwaway server"),)
    return Answer(told, view, follow)


@command(
    "verify",
    progress=False,
    examples=[
        ("joelclaw backup verify latest", "the newest one"),
        ("joelclaw backup verify 20261122T031500Z-0123456789ab", "one of the list"),
    ],
)
@click.argument("artefact", metavar="ID", type=WORD)
def verify(state_dir: Path, artefact: str) -> Answer:
    """Read a copy again, all of it, and compare it with its manifest.

    Exit code 1 names the file that is missing, too much, or not what left the source; also where this reading found
    nothing, but the copy stays doubtful: damage stays for good, a failed drill until one passes. A copy that was only
    claimed, and is what its manifest says, is verified from now on.
    """
    environ = environ_for(state_dir)
    with bar("reading", size_of(environ, artefact) if sys.stderr.isatty() else None) as heard:
        told = backups().verify(environ, artefact, heard)
    if told is None:
        raise no_copy(artefact, "copy")
    if not told["ok"]:
        wrong = "; ".join(f"{f['file']}: {f['detail']}" for f in told["findings"]) or told["problem"]
        raise Failure(
            "backup_damaged",
            f"{told['id']} is {told['verdict']}: {wrong}",
            fix="it no longer counts as verified; make a new one: joelclaw backup run redis --wait",
            next_actions=(("joelclaw backup run redis --wait", "make a new one"),),
        )

    def view() -> Iterable[RenderableType]:
        yield from _picture(told)

    return Answer(told, view, (("joelclaw backup list", "every copy"),))


def _picture(told: dict[str, Any]) -> Iterable[RenderableType]:
    from joelclaw_cli.render import fields, good

    yield good(f"{told['id']} is what left the source: {told['rereadBytes']:,} bytes read again")
    yield fields([("path", told["path"]), (told["of"], f"{told['keys']:,}"), ("verified", told["verifiedAt"])])
    yield fields((f["name"], f"sha256 {f['sha256']}, {f['size']:,} bytes") for f in told["files"])


for reading in (list_artefacts, show, verify):
    reading.params.insert(0, state_option())
