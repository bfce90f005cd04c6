"""`joelclaw demo` as a stranger runs it: it proves three acts, and leaves nothing; also when it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home that must stay empty, a place for temporary files; and settings of the user's that would not work."""
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    own = {k: v for k, v in os.environ.items() if k != "REDIS_URL" and not k.startswith("JOELCLAW_")}
    theirs = {"JOELCLAW_CONFIG": str(tmp_path / "none.json"), "REDIS_URL": "redis://127.0.0.1:1/0"}
    return {**own, **theirs, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")}


@pytest.fixture
def demo(environ: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with (tmp_path / "lines").open("w") as lines:
        process = subprocess.Popen(
            [sys.executable, "-m", "joelclaw_cli", "demo", "--json"],
            env=environ, stdout=subprocess.PIPE, stderr=lines, text=True, start_new_session=True,
        )  # fmt: skip
    yield process
    process.kill()
    process.wait()


def left_of(tmp_path: Path) -> list[str]:
    """What is left: files, and processes that name them."""
    found = [str(path) for folder in ("home", "tmp") for path in (tmp_path / folder).rglob("*")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            environ = (process / "environ").read_bytes()
        except OSError:
            continue
        if b"joelclaw_cli\0demo\0" not in command and str(tmp_path / "tmp").encode() + b"/" in command + environ:
            found.append(command.decode("utf-8", "replace"))
    return found


def test_it_proves_three_acts_and_leaves_nothing(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    out, _ = demo.communicate(timeout=150)
    lines = (tmp_path / "lines").read_text()
    assert demo.returncode == 0, lines
    result = json.loads(out)["result"]
    acts = {act["name"]: act for act in result["acts"]}
    assert [name for name, act in acts.items() if act["ok"]] == ["backup", "takeover", "restart"]
    assert all(proof["held"] for act in acts.values() for proof in act["proofs"])

    backup, takeover, restart = (acts[name]["facts"] for name in ("backup", "takeover", "restart"))
    assert (backup["failedExit"], backup["verified"], backup["closing"]) == (1, True, "remediated")
    assert backup["retriedMs"] >= backup["dueMs"]
    assert takeover["killedExit"] == -signal.SIGKILL
    assert takeover["done"]["one"] == [takeover["killed"]]
    assert takeover["recorded"]["three"] == takeover["survivor"] != takeover["killed"]
    assert len(restart["startsSince"]) == 1
    assert restart["startsSince"] == [restart["answeredAfter"]] != [restart["hung"]]

    assert lines.count("✓") == sum(len(act["proofs"]) for act in acts.values())
    assert "\033[" not in lines
    assert left_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(demo: subprocess.Popen[str], tmp_path: Path, number: signal.Signals) -> None:
    deadline = time.monotonic() + 60
    while "taken away" not in (tmp_path / "lines").read_text():
        assert time.monotonic() < deadline, (tmp_path / "lines").read_text()
        time.sleep(0.05)
    demo.send_signal(number)
    out, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert left_of(tmp_path) == []
