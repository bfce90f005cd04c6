"""`joelclaw nas config check`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.failures import USAGE, Failure

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_contracts import Config
    from joelclaw_contracts.errors import Problem


@command(
    "check",
    examples=[
        ("joelclaw nas config check", "exit code 0 if services would start with it, 2 with everything that is wrong"),
        ("joelclaw nas config check new.json", "before you put it in its place"),
        ("joelclaw nas config check --json", "the problems for a program: place, key, what to do"),
    ],
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
def check(file: Path | None) -> Answer:
    """Everything that is wrong with it.

    Not only the first problem: each with its place, its key and what to do; services would refuse to start with it.
    FILE, else the file in force; the environment counts in both cases, as it does for the services.
    """
    from joelclaw_contracts import ConfigError, config_path, load_config

    environ = os.environ if file is None else {**os.environ, "JOELCLAW_CONFIG": str(file.absolute())}
    path = config_path(environ, Path.home())
    digest, problems = "", tuple["Problem", ...]()
    try:
        config = load_config(environ, home=Path.home())
        digest, problems = config.hash, _of_services(config, str(path))
    except ConfigError as error:
        problems = error.problems
    result: dict[str, Any] = {
        "path": str(path),
        "exists": path.exists(),
        "hash": digest or None,
        "problems": [{"where": p.where, "key": p.key, "message": p.message} for p in problems],
    }

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import good, warning

        for problem in problems:
            yield warning(str(problem))
        if not problems:
            yield good(f"{path}: nothing is wrong" if path.exists() else f"there is no {path}: defaults are in force")

    return Answer(result, view, (("joelclaw nas config show --effective", "every value in force"),), _trouble(problems))


def _of_services(config: Config, path: str) -> tuple[Problem, ...]:
    """What a service that is installed beside us would refuse though the file is sound."""
    from joelclaw_contracts.errors import Problem

    found: list[Problem] = []
    for point in entry_points(group="joelclaw.providers", name="health"):
        found += (Problem(path, key, what) for key, what in point.load().problems(config))
    return tuple(found)


def _trouble(problems: tuple[Problem, ...]) -> Failure | None:
    if not problems:
        return None
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    fix = "system-bus.config.example.md has every key"
    return Failure("config_invalid", f"{problems[0]}{more}", fix=fix, exit_code=USAGE)
