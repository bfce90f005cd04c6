"""`joelclaw nas config init`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.failures import Failure

if TYPE_CHECKING:
    from rich.console import RenderableType


@command(
    "init",
    examples=[
        ("joelclaw nas config init", "write the file, unless there is one"),
        ("joelclaw nas config init --force", "replace it; the old one is kept beside it"),
        ("JOELCLAW_CONFIG=/etc/joelclaw.json joelclaw nas config init", "elsewhere"),
    ],
)
@click.option("--force", is_flag=True, help="Replace a file that is there; the old one is kept as FILE.old.")
def init(force: bool) -> Answer:
    """Write a configuration file with every default, the NAS's included.

    With such a file backups go to the NAS it names: edit the host and the roots before you start the suite.
    """
    from joelclaw_bus.state_directory import write_atomically
    from joelclaw_contracts import config_path, template

    path = config_path(os.environ, Path.home())
    there = os.path.lexists(path)
    if there and not path.is_file():
        raise Failure(
            "config_unwritable",
            f"{path} is there, and is no file; it was left as it is",
            fix="move it away, or set JOELCLAW_CONFIG to another place",
        )
    if there and not force:
        raise Failure(
            "config_exists",
            f"{path} is there already; it was left as it is",
            fix="edit it, or replace it with --force",
            next_actions=(("joelclaw nas config show", "see what it sets"),),
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if there:
            os.replace(path, path.with_name(path.name + ".old"))
        write_atomically(path, json.dumps(template(), indent=2) + "\n")
    except OSError as error:
        raise Failure(
            "config_unwritable",
            f"{path} can't be written ({error.strerror})",
            fix="mend the directory's rights, or set JOELCLAW_CONFIG to another place",
        ) from error

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good

        yield good(f"wrote {path}{f', the old one is {path.name}.old' if there else ''}")

    return Answer(
        {"path": str(path), "replaced": there},
        view,
        (("joelclaw nas config show --effective", "every value in force"),),
    )
