"""What every command has: `--json`, an Examples section, a progress line, and for those that read it, the store."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from joelclaw_cli.answer import Answer, draw, envelope

DEFAULT_STATE = "~/.joelclaw/state"


class _Directory(click.Path):
    """A directory; an empty word (an unset variable in a script) is none, and surely not the one we stand in.

    `~` is expanded here, once for all commands: of our own default and of a variable no shell expands it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fspath(value).strip():
            self.fail("names no directory", param, ctx)
        return super().convert(os.path.expanduser(value), param, ctx)


DIRECTORY = _Directory(file_okay=False, path_type=Path)


def state_option() -> click.Option:
    return click.Option(
        ["--state-dir"],
        type=DIRECTORY,
        envvar="JOELCLAW_STATE_DIR",
        default=DEFAULT_STATE,
        show_default=True,
        help="The suite's state directory (JOELCLAW_STATE_DIR).",
    )


def _store_options(*, deployment: bool) -> list[click.Parameter]:
    return [
        click.Option(["--redis-url"], envvar="REDIS_URL", help="The store (REDIS_URL); else the running suite's."),
        state_option(),
        click.Option(["--prefix"], envvar="JOELCLAW_PREFIX", help="Before every key (JOELCLAW_PREFIX)."),
        # Hidden, but where they are what is asked about: they are settings of a deployment, which its environment gives
        # as the services get them.
        click.Option(
            ["--durability"],
            envvar="JOELCLAW_DURABILITY",
            type=click.Choice(["memory", "local", "replica"], case_sensitive=False),
            default="memory",
            show_default=True,
            hidden=not deployment,
            help="The level that the services run at (JOELCLAW_DURABILITY).",
        ),
        click.Option(
            ["--min-replicas"],
            envvar="JOELCLAW_MIN_REPLICAS",
            type=click.IntRange(1, 100),
            default=1,
            show_default=True,
            hidden=not deployment,
            help="How many replicas that level counts on (JOELCLAW_MIN_REPLICAS).",
        ),
    ]


class _Examples(click.Command):
    """Shows `examples`, a list of (command line, what it does), at the end of its help."""

    examples: Sequence[tuple[str, str]] = ()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line, does in self.examples:
                    formatter.write_text(f"# {does}")
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class Command(_Examples):
    """A command whose function returns an Answer, or None when it has printed its own stream of lines."""

    def __init__(
        self,
        *args: Any,
        examples: Sequence[tuple[str, str]] = (),
        store: bool = False,
        deployment: bool = False,
        progress: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("params", [])
        if store:
            kwargs["params"] = [*kwargs["params"], *_store_options(deployment=deployment)]
        kwargs["params"] = [*kwargs["params"], _json_option()]
        super().__init__(*args, **kwargs)
        self.examples, self.store, self.progress = examples, store, progress

    def invoke(self, ctx: click.Context) -> int:
        """Fetch, then show; the exit code."""
        if self.store:
            from joelclaw_cli.place import Place

            ctx.params["place"] = Place(
                ctx.params.pop("redis_url"),
                ctx.params.pop("state_dir"),
                ctx.params.pop("prefix"),
                ctx.params.pop("durability"),
                ctx.params.pop("min_replicas"),
            )
        with _progress(ctx.command_path, shown=self.progress):
            answer = super().invoke(ctx)
        if isinstance(answer, Answer):
            if wants_json(ctx):
                click.echo(envelope(ctx.command_path, answer))
            else:
                draw(answer)
            return answer.exit_code
        return 0


class Group(_Examples, click.Group):
    """A group whose commands are imported only when they are called: name -> (module:attribute, one line)."""

    def __init__(
        self,
        *args: Any,
        lazy: dict[str, tuple[str, str]] | None = None,
        examples: Sequence[tuple[str, str]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.lazy, self.examples = lazy or {}, examples

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            from joelclaw_cli.failures import nearest

            near = nearest(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{ctx.command_path} has no command {args[0]}{near}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, line) for name, (_, line) in self.lazy.items()]
        rows += [(name, command.get_short_help_str(80)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def command(
    name: str,
    *,
    examples: Sequence[tuple[str, str]],
    store: bool = False,
    deployment: bool = False,
    progress: bool = True,
    group: click.Group | None = None,
) -> Callable[[Callable[..., Answer | None]], Command]:
    """Make the function a command; in `group` when one is given. deployment: show the options of a deployment."""

    def make(function: Callable[..., Answer | None]) -> Command:
        options = {"store": store, "deployment": deployment, "progress": progress}
        made = click.command(name, cls=Command, examples=examples, **options)(function)
        if group is not None:
            group.add_command(made)
        return made

    return make


def wants_json(ctx: click.Context | None = None) -> bool:
    """Asked for by `--json` (here or before the command), or because stdout is no terminal."""
    ctx = ctx or click.get_current_context()
    return bool(ctx.find_root().meta.get("joelclaw.json")) or not sys.stdout.isatty()


def _json_option() -> click.Option:
    def remember(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        if value:
            ctx.find_root().meta["joelclaw.json"] = True

    return click.Option(["--json"], is_flag=True, expose_value=False, callback=remember, help="Answer in JSON.")


@contextmanager
def _progress(what: str, *, shown: bool) -> Iterator[None]:
    """A line on stderr when it takes more than a second, and every five seconds from then on."""
    over = threading.Event()

    def tell() -> None:
        wait, waited = 1.0, 0.0
        while not over.wait(wait):
            waited += wait
            wait = 5.0
            print(f"… {what}: {waited:.0f} s", file=sys.stderr, flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    if shown:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if shown:
            thread.join()
