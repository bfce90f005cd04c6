"""`joelclaw nas config show`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer, Next
from joelclaw_cli.command import command

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_contracts import Provenance


@command(
    "show",
    examples=[
        ("joelclaw nas config show", "what the file and the environment set"),
        ("joelclaw nas config show --effective", "every value in force, defaults too"),
        ("joelclaw nas config show --effective --json", "the same for a program"),
    ],
)
@click.option("--effective", is_flag=True, help="Every value in force, defaults included.")
def show(effective: bool) -> Answer:
    """What is set, and from where.

    The same strict loader as the services': what is wrong here stops them too. Secrets are not shown.
    """
    from joelclaw_contracts import config_path, load_config

    path = config_path(os.environ, Path.home())
    loaded = load_config(os.environ, home=Path.home())
    rows = [p for p in loaded.provenance() if effective or p.origin != "default"]
    result: dict[str, Any] = {
        "path": str(path),
        "exists": path.exists(),
        "hash": loaded.hash,
        "effective": effective,
        "values": [{"key": p.key, "value": p.value, "origin": p.origin, "where": p.where} for p in rows],
    }

    def view() -> Iterable[RenderableType]:
        from rich.text import Text

        from joelclaw_cli.render import fields, table

        yield fields([("file", f"{path}{'' if path.exists() else '  (does not exist)'}"), ("hash", loaded.hash)])
        yield ""
        drawn = ((p.key, _origin(p), Text(_word(p.value), style="bold")) for p in rows)
        yield table(("key", "from", "value"), drawn, empty="nothing is set: all values are defaults")

    actions: list[Next] = [] if effective else [("joelclaw nas config show --effective", "defaults too")]
    if not path.exists():
        actions.append(("joelclaw nas config init", "write a file to start from"))
    return Answer(result, view, tuple(actions))


def _origin(row: Provenance) -> str:
    """`default`, the variable, or `file` with the key that won, where it is another one."""
    if row.origin != "file":
        return row.where
    key = row.where.rpartition(": ")[2]
    return "file" if key == row.key else f"file: {key}"


def _word(value: Any) -> str:
    if value is None:
        return "not configured"
    if isinstance(value, list | tuple):
        return " ".join(str(v) for v in value) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
