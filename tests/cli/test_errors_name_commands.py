"""Every error says what to do, and every command that is named anywhere is one."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from tests.cli.conftest import Cli

from joelclaw_cli.failures import _CODES
from joelclaw_cli.root import root

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for where in ("tools", "libs", "services") for p in (ROOT / where).rglob("*.py"))
CALLED = re.compile(r"joelclaw((?: [a-z][a-z-]*)+)")


def commands(group: click.Group) -> dict[str, click.Command | None]:
    return {name: group.get_command(click.Context(group), name) for name in group.list_commands(click.Context(group))}


def missing_from(words: list[str]) -> str:
    """The first word that should be a command of the group before it, and isn't; '' when all is well."""
    group: click.Command | None = root
    for number, word in enumerate(words):
        if not isinstance(group, click.Group):
            return ""
        known = commands(group)
        if word not in known:
            return word if number else ""  # `joelclaw is …`: prose
        group = known[word]
    return ""


def test_the_scan_would_notice_a_command_that_is_none() -> None:
    assert missing_from(["bus", "explains"]) == "explains"
    assert missing_from(["bus", "dead", "revive"]) == "revive"
    assert missing_from(["bus", "dead", "replay", "anything"]) == ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_that_a_source_names_exists(path: Path) -> None:
    text = path.read_text("utf-8")
    named = [found[1].split() for found in CALLED.finditer(text)]
    assert [words for words in named if missing_from(words)] == []


@pytest.mark.parametrize("kind", _CODES)
def test_every_error_of_a_library_comes_with_what_to_do(kind: str) -> None:
    _, fix, code = _CODES[kind]
    assert "joelclaw " in fix
    assert code


SPOKEN = [
    (("bus", "dead", "show", "1-1"), "joelclaw bus dead show"),
    (("bus", "dead", "show"), "joelclaw bus dead show"),
    (("bus", "dead", "shwo", "1-1"), "joelclaw bus dead shwo"),
    (("--json", "bus", "explain", "none"), "joelclaw bus explain"),
    (("bus", "explain", "--state-dir", "secret", "none"), "joelclaw bus explain"),
    (("nas", "config", "shw"), "joelclaw nas config shw"),
    (("nonsense",), "joelclaw nonsense"),
]


@pytest.mark.parametrize(("words", "command"), SPOKEN, ids=lambda w: " ".join(w) if isinstance(w, tuple) else w)
def test_an_envelope_names_the_command_that_was_given(cli: Cli, words: tuple[str, ...], command: str) -> None:
    said = cli(*words).envelope
    assert (said["ok"], said["command"]) == (False, command)
    assert "joelclaw" in said["fix"]
