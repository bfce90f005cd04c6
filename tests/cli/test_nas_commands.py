"""The configuration: shown with its origins, written whole, never overwritten by a slip."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import call
from tests.support.server import Server

SERVICE = """
import os, pathlib, signal, sys
from joelclaw_bus.file_lock import FileLock
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
lock = FileLock(pathlib.Path(sys.argv[1]) / "services" / "router.lock")
assert lock.take()
lock.say(str(os.getpid()))
print("here", flush=True)
signal.sigwait([signal.SIGHUP])
"""
"""What a service of a state directory is to others: a lock that it holds, and a process that takes SIGHUP."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "new" / "config.json"
    monkeypatch.setenv("JOELCLAW_CONFIG", str(path))
    return path


def values(*words: str) -> dict[str, dict[str, Any]]:
    return {v["key"]: v for v in call("nas", "config", "show", *words).result["values"]}


def test_init_writes_a_private_file_that_loads(file: Path) -> None:
    assert call("nas", "config", "init").result == {"path": str(file), "replaced": False}
    assert file.stat().st_mode & 0o777 == 0o600
    assert call("nas", "config", "show", "--effective").code == 0


def test_init_leaves_a_file_that_is_there_alone_and_force_keeps_the_old_one(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"selfHealing": {"router": {"maxRetries": 7}}}')
    refused = call("nas", "config", "init")
    assert (refused.code, refused.error) == (1, "config_exists")
    assert "maxRetries" in file.read_text()
    assert call("nas", "config", "init", "--force").result["replaced"]
    assert "7" in file.with_name("config.json.old").read_text()
    assert json.loads(file.read_text())["selfHealing"]["router"]["maxRetries"] == 5


def test_show_says_where_each_value_comes_from(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.parent.mkdir()
    file.write_text('{"selfHealing": {"router": {"maxRetries": 7, "sleepMinMs": 6000}}}')
    monkeypatch.setenv("SELF_HEALING_ROUTER_MAX_RETRIES", "9")
    set_here = values()
    retries, sleep = set_here["selfHealing.router.maxRetries"], set_here["selfHealing.router.sleepMinMs"]
    assert (retries["value"], retries["where"]) == (9, "SELF_HEALING_ROUTER_MAX_RETRIES")
    assert (sleep["value"], sleep["where"]) == (6000, f"{file}: selfHealing.router.sleepMinMs")
    assert "selfHealing.router.sleepMaxMs" not in set_here
    assert values("--effective")["selfHealing.router.sleepMaxMs"]["origin"] == "default"
    assert "SELF_HEALING_ROUTER_MAX_RETRIES" in call("nas", "config", "show", people=True).out


@pytest.mark.parametrize("named", [None, "~/mine"])
def test_a_state_directory_of_the_home_is_found_though_no_shell_expanded_it(
    tmp_path: Path, named: str | None, one_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default, and a variable of a unit file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("JOELCLAW_STATE_DIR", "JOELCLAW_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    if named:
        monkeypatch.setenv("JOELCLAW_STATE_DIR", named)
    state = tmp_path / ("mine" if named else ".joelclaw/state")
    (state / "services").mkdir(parents=True)
    service = subprocess.Popen([sys.executable, "-c", SERVICE, str(state)], stdout=subprocess.PIPE)
    try:
        assert service.stdout is not None
        assert service.stdout.readline() == b"here\n"
        said = call("nas", "config", "reload", "--redis-url", one_server.url, "--wait", "1")
        assert said.error == "not_in_force", "it was found, and says nothing"
        assert service.wait(30) == 0, "it got the signal"
    finally:
        service.kill()
        service.communicate()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"selfHealing": {"router": {"maxRetrys": 7}}}', "maxRetries"),
        ('{"selfHealing": ', "config.json"),
        ('{"selfHealing": {"router": {"maxRetries": "7x"}}}', "selfHealing.router.maxRetries"),
    ],
)
def test_a_bad_file_is_one_line_with_key_and_place_and_exits_2(file: Path, text: str, says: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    said = call("nas", "config", "show")
    assert (said.code, said.error) == (2, "config_invalid")
    assert says in said.err
    assert str(file) in said.err
    assert said.err.count("\n") == 1


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JOELCLAW_CONFIG", str(tmp_path / "file" / "config.json"))
    said = call("nas", "config", "init")
    assert said.code in (1, 2)
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_directory_in_the_place_of_the_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: tuple[str, ...]
) -> None:
    (tmp_path / "config" / "kept").mkdir(parents=True)
    monkeypatch.setenv("JOELCLAW_CONFIG", str(tmp_path / "config"))
    said = call("nas", "config", "init", *force)
    assert said.code == 1
    assert "is no file" in said.err
    assert (tmp_path / "config" / "kept").is_dir()
    assert not (tmp_path / "config.old").exists()


def test_check_tells_every_problem_with_its_key_and_exits_2(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.parent.mkdir()
    file.write_text('{"selfHealing": {"router": {"maxRetrys": 7, "sleepMinMs": 9, "sleepMaxMs": 8}}, "budget": {}}')
    monkeypatch.setenv("SELF_HEALING_RETRY_MAX_MS", "120000oops")
    said = call("nas", "config", "check")
    assert (said.code, said.error) == (2, "config_invalid")
    problems = {p["key"] or p["where"]: p["message"] for p in said.envelope["result"]["problems"]}
    assert set(problems) == {
        "selfHealing.router.maxRetrys", "selfHealing.router.sleepMinMs", "budget", "SELF_HEALING_RETRY_MAX_MS",
    }  # fmt: skip
    assert "did you mean selfHealing.router.maxRetries?" in problems["selfHealing.router.maxRetrys"]
    shown = call("nas", "config", "check", people=True)
    assert shown.code == 2
    assert all(key in shown.out for key in problems)


def test_check_of_a_good_file_exits_0_and_of_another_file_looks_there(file: Path, tmp_path: Path) -> None:
    assert call("nas", "config", "check").code == 2, "JOELCLAW_CONFIG names a file that is not there"
    call("nas", "config", "init")
    assert call("nas", "config", "check").result["problems"] == []
    other = tmp_path / "other.json"
    other.write_text('{"budgets": {"actsPerHour": -1}}')
    refused = call("nas", "config", "check", str(other))
    assert (refused.code, refused.envelope["result"]["problems"][0]["key"]) == (2, "budgets.actsPerHour")


def test_check_names_a_target_that_nobody_could_deliver_to_without_its_token(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"alerts": {"owners": {"joel": ["json://ops.example/", "slak://tokenA/hunter2"]}}}')
    said = call("nas", "config", "check")
    (problem,) = said.envelope["result"]["problems"]
    assert (said.code, problem["key"]) == (2, "alerts.owners.joel")
    assert "slak://" in problem["message"]
    assert "hunter2" not in json.dumps(said.envelope)
