"""People get tables, programs get the envelope, failures get one line, and exit codes mean what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, call


def test_programs_get_an_envelope_with_what_to_do_next(cli: Cli) -> None:
    said = cli("bus", "streams")
    assert (said.code, said.err) == (0, "")
    assert said.envelope == {
        "ok": True,
        "command": "joelclaw bus streams",
        "result": {"streams": []},
        "next_actions": [{"command": "joelclaw bus runs", "description": "what runs, waits, or has failed"}],
    }


def test_people_get_words_instead(cli: Cli) -> None:
    said = cli("bus", "streams", people=True)
    assert "no stream yet" in said.out
    assert "{" not in said.out


@pytest.mark.parametrize("words", [("--json", "bus", "streams"), ("bus", "streams", "--json")])
def test_people_who_ask_for_json_get_it_wherever_they_say_so(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli(*words, people=True).result == {"streams": []}


def test_a_failure_is_one_line_for_people_and_an_envelope_for_programs(cli: Cli) -> None:
    said = cli("bus", "run", "a/b:c")
    assert said.code == 3
    assert said.envelope["error"] == {"code": "not_found", "message": "there is no run a/b:c"}
    assert said.envelope["fix"] == "see what there is: joelclaw bus runs"
    assert said.err == "error: there is no run a/b:c. Fix: see what there is: joelclaw bus runs\n"


def test_a_misspelt_command_is_told_with_the_right_one_and_exits_2() -> None:
    said = call("bus", "strems")
    assert (said.code, said.error) == (2, "usage")
    assert "joelclaw bus has no command strems; did you mean streams?" in said.err


def test_a_misspelt_option_exits_2() -> None:
    said = call("bus", "streams", "--jsn")
    assert (said.code, said.error) == (2, "usage")


def test_an_unreachable_store_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://user:secret@127.0.0.1:1/0")
    said = call("bus", "streams")
    assert (said.code, said.error) == (1, "store_unavailable")
    assert said.err.count("\n") == 1
    assert "redis://127.0.0.1:1/0 does not answer" in said.err
    assert "joelclaw up" in said.err
    assert "secret" not in said.err + said.out


def test_without_any_store_it_says_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    said = call("bus", "streams", "--state-dir", str(tmp_path))
    assert (said.code, said.error) == (2, "store_unknown")
    assert f"no suite runs in {tmp_path} and REDIS_URL is not set. Fix: start one with joelclaw up" in said.err


def test_an_address_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "nonsense")
    said = call("bus", "streams")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "not a usable address" in said.err


def test_a_defect_is_told_as_one_and_in_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joelclaw_bus.inspect.streams.event_names", lambda *_: 1 / 0)
    said = cli("bus", "streams")
    assert (said.code, said.error) == (1, "internal")
    assert said.err.count("\n") == 1


def test_help_loads_nothing_heavy_so_that_it_is_quick() -> None:
    code = (
        "import sys; from joelclaw_cli.root import run; run(['--help']); run(['bus', '--help']);"
        "heavy = {'redis', 'rich', 'anyio', 'pydantic', 'joelclaw_bus', 'joelclaw_contracts', 'asyncio'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=90)
    assert done.stderr == "[]\n"


def test_what_takes_over_a_second_shows_that_it_goes_on(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr("joelclaw_cli.place.Place.run", lambda *_: time.sleep(1.2) or [])
    said = cli("bus", "streams")
    assert (said.progress.partition("\n")[0], said.err) == ("… joelclaw bus streams: 1 s", "")
