"""The root of the command tree. It owns the output mode and the exit codes; nothing below it exits."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from typing import cast

import click

from joelclaw_cli.answer import failure_envelope, print_failure
from joelclaw_cli.command import Group, _json_option
from joelclaw_cli.failures import FAULT, Failure, failure_of, only_cause

HERE = "joelclaw_cli"

root = Group(
    "joelclaw",
    help="The operator's hand for system-bus, a self-healing event bus on Redis streams.\n\n"
    "People get tables; --json, or a stdout that is no terminal, gets "
    "{ok, command, result, next_actions}. Exit codes: 0 done, 1 fault, 2 usage or configuration, 3 not found.",
    params=[_json_option(), click.Option(["--version"], is_flag=True, help="Show the version and exit.")],
    invoke_without_command=True,
    lazy={
        "demo": (f"{HERE}.demo.command:demo", "See it heal itself: three things break on a temporary suite."),
        "up": (f"{HERE}.up.command:up", "Run the suite here: a store and every service."),
        "down": (f"{HERE}.up.down:down", "Stop the suite of a state directory."),
        "doctor": (
            f"{HERE}.doctor.command:doctor",
            "What weakens the bus here, or keeps its work from moving, and what to do.",
        ),
        "bus": (f"{HERE}.bus:bus", "Events, streams, runs, what is due, dead letters."),
        "heal": (f"{HERE}.heal:heal", "Incidents, and the kill switch of the self-healing."),
        "backup": (f"{HERE}.backup:backup", "Backups: make one, list them, prove one again."),
        "inngest": (f"{HERE}.inngest:inngest", "The runtime: how it is, and its guarded restart."),
        "health": (f"{HERE}.health:health", "What is well, and what is not."),
        "otel": (f"{HERE}.otel:otel", "The evidence that every decision leaves."),
        "nas": (f"{HERE}.nas:nas", "The configuration, and where each value comes from."),
    },
    examples=[
        ("joelclaw demo", "see it heal itself, in under a minute"),
        ("joelclaw up", "run the suite on this machine; Ctrl-C stops it"),
        ("joelclaw bus send system/health.check.requested --data '{}'", "send an event"),
        ("joelclaw bus tail 'system/*' --since 5m", "what happened lately"),
        ("joelclaw health status", "what is well, and what is not"),
        ("joelclaw heal list", "what is broken, and what is done about it"),
    ],
)


@click.pass_context
def _at_root(ctx: click.Context, version: bool) -> None:
    if version:
        from importlib.metadata import version as version_of

        click.echo(version_of("joelclaw-cli"))
        ctx.exit()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


root.callback = _at_root


def run(arguments: list[str]) -> int:
    """One command line, its exit code. Every error becomes one line (people) or an envelope (programs)."""
    try:
        code = int(root.main(arguments, prog_name="joelclaw", standalone_mode=False) or 0)
        sys.stdout.flush()
    except BaseException as error:  # the root is where every error ends
        cause = only_cause(error)
        if isinstance(cause, SystemExit | GeneratorExit):
            raise
        if isinstance(cause, OSError) and (isinstance(cause, BrokenPipeError) or not _can_write()):
            return _without_output(cause)
        try:
            return _tell(cause, arguments)
        except OSError as unheard:
            return _without_output(unheard)
    return code


def _can_write() -> bool:
    """Whether stdout takes what is still to be written to it."""
    try:
        sys.stdout.flush()
    except OSError:
        return False
    return True


def _without_output(error: OSError) -> int:
    """stdout takes nothing: nobody reads it any more (head, less), which is no news; or its disk is full."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the end of the process tries once more
    if not isinstance(error, BrokenPipeError):
        with suppress(OSError):
            print_failure(Failure("output_lost", f"the output can't be written ({error.strerror})"))
    return FAULT


def _asked(arguments: list[str]) -> str:
    """The command as it was given, however deep it lies, without its arguments: those may hold a secret. A word that
    is no command stands at its end, as it was given."""
    path, at = ["joelclaw"], cast("click.Command | None", root)
    for word in arguments:
        if not isinstance(at, click.Group):
            break
        if word.startswith("-"):
            continue
        path.append(word)
        try:
            at = at.get_command(click.Context(at), word)
        except Exception:  # it can't even be imported: that is what is being told
            break
    return " ".join(path)


def _tell(error: BaseException, arguments: list[str]) -> int:
    failure = failure_of(error)
    if os.environ.get("JOELCLAW_DEBUG"):
        traceback.print_exception(error)
    if "--json" in arguments or not sys.stdout.isatty():
        print(failure_envelope(_asked(arguments), failure), flush=True)
    if sys.stderr.isatty() or "--json" not in arguments:
        print_failure(failure)
    return failure.exit_code
