"""Where the commands find the store of a running suite, and that no password lies on the disk for that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.support.server import Server

from joelclaw_bus.state_directory import StateDirectory
from joelclaw_cli.up.ready import ready_text, suite_record


def recorded(state: Path, url: str) -> StateDirectory:
    directory = StateDirectory(state)
    directory.open()
    directory.record_suite(suite_record(url, "", {}))
    return directory


def test_a_suite_without_a_password_is_found_by_its_directory(
    cli: Cli, one_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL")
    recorded(tmp_path / "state", one_server.url)
    assert cli("bus", "streams", "--state-dir", str(tmp_path / "state")).result["streams"] == []


def test_a_password_is_kept_nowhere_and_the_command_says_how_to_go_on(
    cli: Cli, one_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"redis://reader:hunter2@127.0.0.1:{one_server.port}/0"
    recorded(tmp_path / "state", url)
    kept = (tmp_path / "state" / "suite.json").read_text()
    assert "hunter2" not in kept + ready_text(url, {})
    assert json.loads(kept)["redis_url"] == one_server.url
    monkeypatch.delenv("REDIS_URL")
    said = cli("bus", "streams", "--state-dir", str(tmp_path / "state"))
    assert (said.code, said.error) == (2, "store_unknown")
    assert "with a password that is kept nowhere" in said.envelope["error"]["message"]
    assert said.envelope["fix"] == "set REDIS_URL (and JOELCLAW_PREFIX) as joelclaw up had them"
