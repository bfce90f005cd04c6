"""A wrong configuration stops the real service process: exit code 2 and one line with file, key and remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SERVICES = ("joelclaw_router", "joelclaw_health", "joelclaw_backup", "joelclaw_runtime_remediator")


def start(module: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """No store listens there: what is wrong is told before anything is connected."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "JOELCLAW_STATE_DIR": str(folder),
        "JOELCLAW_CONFIG": str(folder / "config.json"),
    }
    command = [sys.executable, "-m", module]
    return subprocess.run(command, env=env | environ, capture_output=True, text=True, timeout=60, check=False)


def check_refused(done: subprocess.CompletedProcess[str], *said: str) -> None:
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for words in said:
        assert words in done.stderr


@pytest.mark.parametrize(
    ("config", "key", "remedy"),
    [
        ({"selfHealing": {"router": {"maxRetrys": 3}}}, "selfHealing.router.maxRetrys",
         "did you mean selfHealing.router.maxRetries?"),
        ({"selfHealing": {"router": {"maxRetries": "3"}}}, "selfHealing.router.maxRetries", "an integer from 0 to 64"),
        ({"backupTransport": {"retryMaxMs": "120000oops"}}, "backupTransport.retryMaxMs", "expected an integer"),
        ({"selfHealing": {"router": {"sleepMinMs": 9_000, "sleepMaxMs": 8_000}}}, "selfHealing.router.sleepMinMs",
         "lower the one or raise the other"),
        ({"selfHealing": {"router": {"model": "o4-mimi"}}}, "selfHealing.router.model", "did you mean o4-mini?"),
        ({"backupFailureRouter": {"fallbackModel": "llama"}}, "backupFailureRouter.fallbackModel",
         "allowed (models.allowed): anthropic/claude-opus-4-6"),
        ("{", "config.json", "mend the file"),
        ('{"budgets": {}} oops', "config.json", "mend the file"),
    ],
)  # fmt: skip
def test_a_wrong_file_stops_the_start(tmp_path: Path, config: Any, key: str, remedy: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(config if isinstance(config, str) else json.dumps(config))
    check_refused(start("joelclaw_router", tmp_path), f"router: {file}", key, remedy)


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("SELF_HEALING_RETRY_MAX_MS", "120000oops", "expected an integer from 1 to 14400000"),
        ("SELF_HEALING_ROUTER_MAX_RETRYS", "3", "did you mean SELF_HEALING_ROUTER_MAX_RETRIES?"),
        ("NAS_BACKUP_MAX_ATTEMPTS", "0", "expected an integer from 1 to 100"),
        ("JOELCLAW_CONFIG", "/nowhere/config.json", "joelclaw nas config init"),
    ],
)
def test_a_wrong_variable_stops_the_start(tmp_path: Path, variable: str, value: str, remedy: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    named = value if variable == "JOELCLAW_CONFIG" else variable
    check_refused(start("joelclaw_router", tmp_path, **{variable: value}), f"router: {named}", remedy)


@pytest.mark.parametrize("module", SERVICES)
def test_a_directory_where_the_file_should_be_stops_every_service(tmp_path: Path, module: str) -> None:
    (tmp_path / "config.json").mkdir()
    check_refused(start(module, tmp_path), str(tmp_path / "config.json"), "is a directory", "expected a JSON file")


def test_the_refusal_is_told_by_the_path_without_the_store_too(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"selfHealing": {"router": {"model": "llama"}}}))
    done = start("joelclaw_router", tmp_path)
    (line,) = (tmp_path / "alerts.log").read_text().splitlines()
    assert " ALERT opened config/refused service=router: " in line
    assert line.endswith(done.stderr.strip().removeprefix("router: "))
