"""What no word can be is refused in one line, before anything is asked, by every command that takes one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Cli

from joelclaw_bus.state_directory import StateDirectory

NO_UTF8 = "\udcff\udcfe"
REASON = ("--reason", "x", "--yes")
TAKES_AN_ID = [
    ("bus", "explain"),
    ("bus", "run"),
    ("bus", "cancel", *REASON),
    ("bus", "resume"),
    ("bus", "dead", "show"),
    ("bus", "dead", "replay", "--yes"),
    ("bus", "dead", "drop", "--yes"),
    ("heal", "show"),
    ("heal", "replay"),
    ("heal", "dismiss", *REASON),
    ("heal", "ack"),
    ("heal", "retry", "--reason", "x"),
    ("backup", "show"),
    ("backup", "verify"),
    ("backup", "restore", "--into", "/nowhere"),
]
TAKES_A_REASON = [
    ("heal", "stop"),
    ("heal", "start"),
    ("heal", "ack", "inc-1"),
    ("heal", "dismiss", "inc-1"),
    ("bus", "cancel", "f:1"),
]


@pytest.mark.parametrize("words", TAKES_AN_ID, ids=" ".join)
@pytest.mark.parametrize(("word", "problem"), [("", "it is empty"), (" ", "it is empty"), (NO_UTF8, "no UTF-8")])
def test_an_id_that_is_none_is_refused(cli: Cli, words: tuple[str, ...], word: str, problem: str) -> None:
    said = cli(*words, word)
    assert (said.code, said.error) == (2, "usage")
    assert problem in said.envelope["error"]["message"]
    assert said.envelope["fix"].startswith("joelclaw ")


@pytest.mark.parametrize("words", TAKES_A_REASON, ids=" ".join)
def test_a_reason_that_can_t_be_stored_is_refused_and_nothing_is_done(cli: Cli, words: tuple[str, ...]) -> None:
    said = cli(*words, "--reason", NO_UTF8)
    assert (said.code, said.error) == (2, "usage")
    assert "no UTF-8" in said.envelope["error"]["message"]
    assert cli("heal", "list").result["stopped"] is None


def test_an_incident_that_is_not_there_names_the_command_that_lists_them(cli: Cli) -> None:
    said = cli("heal", "show", "inc-none")
    assert (said.code, said.error) == (3, "not_found")
    assert said.envelope["fix"] == "see what there is: joelclaw heal list"


def test_an_empty_directory_is_none(cli: Cli) -> None:
    said = cli("backup", "restore", "latest", "--into", "")
    assert (said.code, said.error) == (2, "usage")
    assert "names no directory" in said.envelope["error"]["message"]


@pytest.mark.parametrize("verb", [("show", "latest"), ("verify", "latest"), ("restore", "latest", "--into", "x")])
def test_no_copy_yet_is_not_a_copy_called_latest(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    said = cli("backup", *verb, "--state-dir", str(tmp_path / "state"))
    assert (said.code, said.error) == (3, "not_found")
    message = said.envelope["error"]["message"]
    assert message.startswith(("there is no verified copy", "there is no copy"))
    assert "latest" not in message
    assert "joelclaw backup " in said.envelope["fix"]


def test_a_directory_that_no_suite_ever_ran_in_is_not_stopped(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").touch()
    for where, problem in (("nowhere", "does not exist"), ("letters", "is no state directory")):
        said = cli("down", "--state-dir", str(tmp_path / where))
        assert (said.code, said.error) == (3, "not_found")
        assert problem in said.envelope["error"]["message"]
    assert not (tmp_path / "nowhere").exists()


def test_a_directory_of_something_else_is_not_filled_with_a_store(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    said = cli("up", "--state-dir", str(tmp_path))
    assert (said.code, said.error) == (1, "state_directory_unusable")
    assert "it holds other things (services)" in said.envelope["error"]["message"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["services"]


def test_a_state_directory_is_stopped_as_often_as_one_likes(cli: Cli, tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    state.open()
    state.close()
    for _ in range(2):
        assert cli("down", "--state-dir", str(state.path)).result["ended"] == []
