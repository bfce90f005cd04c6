"""The throwaway server: three different ways not to be the same, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from joelclaw_backup import leash
from joelclaw_backup.failure import BackupFailed
from joelclaw_backup.restore import count, restore
from joelclaw_backup.throwaway import Tools, tools_for
from tests.backup.test_rdb import dump_of, filled

pytestmark = pytest.mark.anyio
TOOLS = tools_for("REDIS", 11)


@pytest.fixture
async def dump(source, tmp_path) -> Path:
    path = tmp_path / "dump.rdb"
    path.write_bytes(await dump_of(filled(source)))
    return path


async def test_the_checker_and_the_server_count_the_same(dump):
    counts = await count(dump, TOOLS, 20)
    restored, _ = await restore(dump, TOOLS, 20)
    assert counts.keys == restored.keys == 4
    assert restored.by.startswith("valkey 9.")


async def test_a_broken_dump_is_refused_by_both(dump):
    raw = bytearray(dump.read_bytes())
    raw[len(raw) // 2] ^= 1
    dump.write_bytes(raw)
    with pytest.raises(BackupFailed, match="checker refuses") as caught:
        await count(dump, TOOLS, 20)
    assert caught.value.failure_class == "rdb-invalid"
    with pytest.raises(BackupFailed, match="did not start") as caught:
        await restore(dump, TOOLS, 20)
    assert caught.value.failure_class == "did-not-start"


async def test_a_dump_that_no_server_here_can_read_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BackupFailed, match="no server here reads RDB version 12"):
        tools_for("REDIS", 12)


async def test_time_up_ends_the_child(dump, tmp_path):
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 60\n")
    slow.chmod(0o755)
    with pytest.raises(BackupFailed):
        await restore(dump, Tools(slow, "valkey"), 0.5)
    assert _gone(int((tmp_path / "pid").read_text()))


def test_a_child_does_not_outlive_a_killed_parent(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    held, ours = os.pipe()
    command = [sys.executable, "-I", "-S", leash.__file__, "60", str(scratch), "sh", "-c"]
    child = subprocess.Popen([*command, f"echo $$ >{tmp_path}/pid; exec sleep 60"], stdin=held, start_new_session=True)
    os.close(held)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        time.sleep(0.01)
    os.close(ours)  # what the kernel does for a parent that dies
    assert child.wait(60) == leash.ORPHANED
    assert _gone(int((tmp_path / "pid").read_text()))
    assert not scratch.exists()


def _gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, signal.SIG_DFL)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False
