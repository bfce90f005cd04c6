"""Every command explains itself with examples, and the page in docs/ is what the commands say."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from joelclaw_cli.command import DIRECTORY, Group
from joelclaw_cli.reference import pages, reference
from joelclaw_cli.root import root

PAGES = dict(pages(root, "joelclaw"))


@pytest.mark.parametrize("path", PAGES)
def test_every_help_has_examples_that_call_the_command(path: str) -> None:
    _, found, examples = PAGES[path].partition("Examples:")
    assert found, f"{path} shows no example"
    assert path in examples


@pytest.mark.parametrize("path", PAGES)
def test_no_option_is_without_an_explanation(path: str) -> None:
    for line in PAGES[path].partition("Options:")[2].partition("Commands:")[0].partition("Examples:")[0].splitlines():
        if line.startswith("  -"):
            assert "  " in line.strip() or len(line) > 24, line


def _groups(group: click.Command) -> list[Group]:
    if not isinstance(group, Group):
        return []
    ctx = click.Context(group)
    children = [group.get_command(ctx, name) for name in group.list_commands(ctx)]
    return [group, *(g for child in children if child for g in _groups(child))]


@pytest.mark.parametrize("group", _groups(root), ids=lambda g: g.name)
def test_the_line_in_the_list_is_the_commands_own_first_sentence(group: Group) -> None:
    for name, (_, line) in group.lazy.items():
        command = group.get_command(click.Context(group), name)
        assert command is not None
        assert command.name == name
        own = " ".join((command.help or "").split("\n\n")[0].split())
        assert own.startswith(line.rstrip(".")), f"{name}: {line!r} against {own!r}"


def test_every_state_directory_comes_in_by_one_door() -> None:
    """It expands `~`; a command of its own way would forget it."""
    commands = [
        found
        for group in _groups(root)
        for name in group.list_commands(click.Context(group))
        if (found := group.get_command(click.Context(group), name))
    ]
    types = [option.type for command in commands for option in command.params if option.name == "state_dir"]
    assert len(types) > 20
    assert {id(kind) for kind in types} == {id(DIRECTORY)}


def test_the_reference_in_docs_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    assert page.read_text() == reference(), "run: python -m joelclaw_cli.reference > docs/cli.md"
