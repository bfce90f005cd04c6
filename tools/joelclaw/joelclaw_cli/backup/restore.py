"""`joelclaw backup restore`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer, Next
from joelclaw_cli.backup.found import backups, environ_for, no_copy, shown
from joelclaw_cli.backup.progress import bar
from joelclaw_cli.command import DIRECTORY, command, state_option
from joelclaw_cli.failures import Failure
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType


@command(
    "restore",
    progress=False,
    examples=[
        ("joelclaw backup restore latest --into /var/lib/valkey", "the newest verified copy, where a server will look"),
        ("joelclaw backup restore latest --into ./there --force", "though something is there already"),
    ],
)
@click.argument("artefact", metavar="ID", type=WORD)
@click.option(
    "--into",
    required=True,
    type=DIRECTORY,
    help="The directory that gets the files; made if it is missing.",
)
@click.option("--force", is_flag=True, help="Also into a directory that is not empty; a file of the same name goes.")
def restore(state_dir: Path, artefact: str, into: Path, force: bool) -> Answer:
    """Put a copy's files into a directory, and read them there again.

    Each file lies under another name until its hash was right; what is there already with the right hash is not copied
    again. Stop the server of that directory first, and start it with `appendonly no`: with an append-only file it
    would come up empty.

    On a new machine no copy is verified yet, each only claims to be, and none is the latest: name one by its id (the
    answer says whose word it goes by), or have it verified first, which notes it here.
    """
    known = shown(state_dir, artefact)
    if not known["verified"] and known["standing"] != "claimed" and not force:
        raise Failure(
            "backup_not_verified",
            f"{known['id']} is {known['standing']}: {known['problem']}",
            fix="joelclaw backup list shows what is verified; --force restores it all the same, if its bytes are right",
        )
    target = str(into.expanduser().absolute())
    with bar("restoring", known.get("bytes")) as told:
        done = backups().restore(environ_for(state_dir), known["id"], target, force=force, told=told)
    if done is None:
        raise no_copy(artefact)
    done["standing"] = known["standing"]

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import fields, good, warning

        if known["standing"] == "claimed":
            yield warning(f"{done['id']} says itself that it was proven; no note of that lies on this machine")
        yield good(f"{done['id']} is in {done['into']}: {done['bytes']:,} bytes, read there again")
        yield fields((f["name"], f"sha256 {f['sha256']}") for f in done["files"])

    return Answer(done, view, _starts(target, [file["name"] for file in done["files"]]))


def _starts(at: str, names: list[str]) -> tuple[Next, ...]:
    """How a server is started from what was restored: one for each dump, with its users where they came along."""
    if names[0].endswith(".tar"):
        tar = f"tar -C {at} -xf {at}/{names[0]} && rm {at}/{names[0]} && typesense-server --data-dir {at}"
        return ((tar, "start a server from it"),)
    dumps = [name for name in names if name.endswith(".rdb")]
    says = "start a server from it" if len(dumps) == 1 else "start the primary of this shard from it, each its own"
    told = []
    for dump in dumps:
        users = "users.acl" if len(dumps) == 1 else dump.replace(".rdb", ".acl")
        acl = f" --aclfile {at}/{users}" if users in names else ""
        told.append((f"valkey-server --dir {at} --dbfilename {dump} --appendonly no{acl}", says))
    return tuple(told)


restore.params.insert(0, state_option())
