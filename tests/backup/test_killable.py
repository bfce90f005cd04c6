"""Work in a child: it can be waited for, interrupted, and given up, and it ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from joelclaw_backup import killable
from joelclaw_backup.failure import BackupFailed, FailureClass
from tests.support.errands import counting, dying, failing, hanging, warned, writing_for_ever

pytestmark = pytest.mark.anyio


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(there: Callable[[], bool]) -> bool:
    end = time.monotonic() + 60
    while not there():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


async def test_what_it_yields_is_heard_and_what_it_returns_is_returned(tmp_path):
    heard: list[int] = []
    pid, total = await killable.run(tmp_path, counting, heard.append, 3)
    assert (heard, total) == ([1, 2, 3], 6)
    assert pid != os.getpid()


async def test_the_next_work_is_done_by_the_same_child(tmp_path):
    first, _ = await killable.run(tmp_path, counting, None, 1)
    second, _ = await killable.run(tmp_path, counting, None, 1)
    assert first == second


@pytest.mark.parametrize(
    "error", [BackupFailed(FailureClass.NOT_MOUNTED, "gone"), OSError(28, "full"), FileNotFoundError(2, "no")]
)
async def test_an_error_comes_back_as_it_was_raised(tmp_path, error):
    with pytest.raises(type(error)) as caught:
        await killable.run(tmp_path, failing, None, error)
    assert str(caught.value) == str(error)
    assert getattr(caught.value, "failure_class", None) == getattr(error, "failure_class", None)


async def test_a_share_that_hangs_is_given_up_and_its_child_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(killable, "STALL", 1.0)
    with pytest.raises(TimeoutError, match="no sign of life for 1 s"):
        await killable.run(tmp_path, hanging, None, tmp_path / "pid")
    assert is_gone(int((tmp_path / "pid").read_text()))


async def test_at_most_one_child_is_left_behind_for_each_root(tmp_path, monkeypatch):
    monkeypatch.setattr(killable, "STALL", 1.0)
    # As in a call that the kernel does not interrupt: killed, and it does not end.
    monkeypatch.setattr(subprocess.Popen, "kill", lambda child: os.kill(child.pid, signal.SIGSTOP))
    with pytest.raises(TimeoutError):
        await killable.run(tmp_path, hanging, None, tmp_path / "pid")
    left = int((tmp_path / "pid").read_text())
    (tmp_path / "pid").unlink()
    with pytest.raises(TimeoutError, match=f"still hangs .process {left}"):
        await killable.run(tmp_path, hanging, None, tmp_path / "pid")
    assert not (tmp_path / "pid").exists()
    assert (await killable.run(tmp_path / "another root", counting, None, 1))[1] == 1
    os.kill(left, signal.SIGKILL)
    assert await anyio.to_thread.run_sync(wait_until, lambda: not killable.is_stuck(tmp_path))
    assert (await killable.run(tmp_path, counting, None, 1))[1] == 1


async def test_a_cancelled_run_kills_its_child_in_the_middle_of_a_write(tmp_path):
    file = tmp_path / "file"
    with anyio.move_on_after(0.5):
        await killable.run(tmp_path, writing_for_ever, None, file)
    await anyio.sleep(1.5)
    size = file.stat().st_size
    await anyio.sleep(0.2)
    assert 0 < size == file.stat().st_size


async def test_a_child_that_dies_is_an_error_and_the_next_work_gets_another(tmp_path):
    with pytest.raises(OSError, match="ended in the middle"):
        await killable.run(tmp_path, dying, None)
    assert (await killable.run(tmp_path, counting, None, 1))[1] == 1


def test_a_child_does_not_outlive_its_killed_parent(tmp_path):
    script = (
        "import pathlib; from joelclaw_backup.killable import run_here; from tests.support.errands import hanging; "
        f"run_here(pathlib.Path('/'), hanging, None, pathlib.Path({str(tmp_path / 'pid')!r}))"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    pid = tmp_path / "pid"
    assert wait_until(lambda: pid.exists() and pid.read_text() != "")
    parent.kill()
    parent.wait()
    assert wait_until(lambda: is_gone(int(pid.read_text())))


def test_a_lost_connection_is_told_once_and_not_for_each_packet_that_it_did_not_take(tmp_path, capfd):
    killable.end_all()  # one that waits writes to where stderr was when it began
    killable.run_here(tmp_path, warned)
    killable.end_all()
    assert capfd.readouterr().err == ""
