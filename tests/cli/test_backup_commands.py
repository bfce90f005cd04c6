"""Backups as an operator makes, lists and proves them; the service works in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Cli
from tests.support.server import Server


@pytest.fixture
def suite(cli: Cli, one_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state directory of a machine where nothing is configured."""
    with one_server.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JOELCLAW_STATE_DIR", str(tmp_path / "state"))
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen([sys.executable, "-m", "joelclaw_backup"], env=dict(os.environ), stderr=log)
    yield tmp_path / "state"
    service.kill()
    service.wait()


def test_a_backup_is_made_listed_and_proven_and_damage_is_named(cli: Cli, suite: Path) -> None:
    made = cli("backup", "run", "redis", "--wait")
    result = made.result
    assert (result["verified"], result["keys"]) == (True, result["restored"])
    assert [line for line in made.err.splitlines() if line.startswith("…")][-1] == "… published"
    (listed,) = cli("backup", "list").result["artefacts"]
    assert (listed["id"], listed["sha256"], listed["bytes"]) == (result["id"], result["sha256"], result["bytes"])
    assert "same disk" in cli("backup", "list", people=True).out
    assert cli("backup", "verify", result["id"]).result["ok"]
    people = cli("backup", "verify", "latest", people=True)
    assert (people.code, result["sha256"] in people.out) == (0, True)

    dump = Path(result["path"]) / "dump.rdb"
    raw = bytearray(dump.read_bytes())
    raw[len(raw) // 2] ^= 1
    dump.write_bytes(raw)
    damaged = cli("backup", "verify", result["id"])
    assert (damaged.code, damaged.error) == (1, "backup_damaged")
    assert "dump.rdb" in damaged.err


def test_people_see_path_size_hash_keys_and_the_proof(cli: Cli, suite: Path) -> None:
    said = cli("backup", "run", "redis", "--wait", people=True)
    assert said.code == 0
    for word in ("path", str(suite), "bytes", "sha256", "keys", "verified", "same disk"):
        assert word in said.out


def test_without_wait_the_run_is_named(cli: Cli, one_server: Server) -> None:
    asked = cli("backup", "run", "redis").result
    assert asked["run"] == f"system/backup.redis:{asked['event']}"
    assert cli("backup", "run", "redis", "--wait", "--timeout", "200ms").error == "timed_out"


def test_a_copy_that_is_not_there_exits_3(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JOELCLAW_STATE_DIR", str(tmp_path / "state"))
    said = cli("backup", "verify", "latest")
    assert (said.code, said.error) == (3, "not_found")
    assert cli("backup", "list").result["artefacts"] == []
    assert "no copy is kept there" in cli("backup", "list", people=True).out


def test_a_failed_backup_exits_1_and_says_why(cli: Cli, suite: Path) -> None:
    suite.mkdir()
    (suite / "backups").write_text("in the way")
    said = cli("backup", "run", "redis", "--wait")
    assert (said.code, said.error) == (1, "backup_failed")
    assert "joelclaw heal list" in said.err
