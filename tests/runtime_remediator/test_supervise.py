"""The one restart: it ends what is ours, all of it, and nobody else; and starts what knows itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from joelclaw_runtime_remediator.process import Stat, State, read_identity, session_of, sight, stat_of
from joelclaw_runtime_remediator.supervise import RestartFailed, reap
from tests.runtime_remediator.conftest import Runtime_, hoped


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    yield process
    process.kill()
    process.wait(10)


def living(pid: int) -> Stat:
    stat = stat_of(pid)
    assert stat, f"there is no process {pid}"
    return stat


def test_what_was_never_started_is_started(runtime: Runtime_) -> None:
    assert sight(runtime.state_file).state is State.NEVER
    done = runtime.supervisor().restart(1)
    assert (done.ended_by, done.identity.fence) == ("nothing", 1)
    assert sight(runtime.state_file).state is State.RUNNING
    assert living(done.identity.pid).session == done.identity.pid


def test_sigterm_ends_it_and_a_deaf_one_is_killed_in_time(runtime: Runtime_) -> None:
    first = runtime.start(behaviour="deaf")
    assert replace(runtime.supervisor(), stop_s=0.3).restart(2).ended_by == "SIGKILL"
    assert runtime.noted("term") == [first]
    assert stat_of(first) is None
    hoped(runtime.answers, "the new one answers")
    assert runtime.supervisor().restart(3).ended_by == "SIGTERM"


def test_a_stopped_one_hears_sigterm_too(runtime: Runtime_) -> None:
    os.kill(runtime.start(), signal.SIGSTOP)
    hoped(lambda: sight(runtime.state_file).state is State.STOPPED, "stopped")
    assert runtime.supervisor().restart(2).ended_by == "SIGTERM"


def test_it_holds_nothing_open_of_the_remediators(runtime: Runtime_) -> None:
    """`joelclaw up` tells by an inherited lock whether a remediator lives: a runtime that outlives it must not."""
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    pid = runtime.supervisor().restart(1).identity.pid
    os.close(theirs)
    assert os.read(ours, 1) == b""  # its last writer is gone
    os.close(ours)
    assert stat_of(pid) is not None


def test_children_that_a_dead_runtime_left_behind_are_ended_too(runtime: Runtime_) -> None:
    """They hold its port."""
    script = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    supervisor = replace(runtime.supervisor(), command=(sys.executable, "-c", script))
    leader = supervisor.restart(1).identity
    hoped(lambda: len(session_of(leader)) == 2, "it has a child")
    child = session_of(leader)[1].pid
    os.kill(leader.pid, signal.SIGKILL)
    hoped(lambda: reap(leader.pid) is not None, "gone")
    assert sight(runtime.state_file).state is State.GONE
    assert runtime.supervisor().restart(2).ended_by == "SIGTERM"
    hoped(lambda: (stat := stat_of(child)) is None or stat.letter == "Z", "its child is gone")


def test_a_recycled_pid_is_never_signalled(runtime: Runtime_, stranger: subprocess.Popen[bytes]) -> None:
    os.kill(runtime.start(), signal.SIGKILL)
    raw = json.loads(runtime.state_file.read_text())
    ticks = living(stranger.pid).ticks - 1  # both may have been started in one tick
    runtime.state_file.write_text(json.dumps({**raw, "pid": stranger.pid, "ticks": ticks}))
    assert sight(runtime.state_file).state is State.GONE
    assert session_of(read_identity(runtime.state_file)) == []
    assert runtime.supervisor().restart(2).ended_by == "nothing"
    assert stranger.poll() is None


def test_after_a_boot_nothing_of_before_is_signalled(runtime: Runtime_, stranger: subprocess.Popen[bytes]) -> None:
    ticks = living(stranger.pid).ticks
    old = {"pid": stranger.pid, "ticks": ticks, "boot": "another", "fence": 1, "startedMs": 1}
    runtime.state_file.write_text(json.dumps(old))
    assert sight(runtime.state_file).state is State.GONE
    assert runtime.supervisor().restart(2).ended_by == "nothing"
    assert stranger.poll() is None


def test_a_stale_fence_ends_and_starts_nothing(runtime: Runtime_) -> None:
    pid = runtime.supervisor().restart(5).identity.pid
    for fence in (4, 5):
        with pytest.raises(RestartFailed, match="stale"):
            runtime.supervisor().restart(fence)
    assert sight(runtime.state_file).state is State.RUNNING
    assert runtime.pid == pid


def test_a_launcher_with_a_stale_fence_starts_nothing_either(runtime: Runtime_) -> None:
    runtime.start()
    runtime.state_file.write_text(json.dumps({**json.loads(runtime.state_file.read_text()), "fence": 9}))
    with pytest.raises(RestartFailed, match="75"):
        runtime.supervisor()._start(9)
    assert runtime.starts == 1


@pytest.mark.parametrize("command", [(), ("no-such-program",)])
def test_what_can_not_be_started_does_not_replace_what_runs(runtime: Runtime_, command: tuple[str, ...]) -> None:
    pid = runtime.start()
    with pytest.raises(RestartFailed):
        replace(runtime.supervisor(), command=command).restart(2)
    assert runtime.pid == pid
    assert runtime.noted("term") == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_an_unreadable_state_file_is_unclear_and_nothing_is_signalled(runtime: Runtime_, text: str) -> None:
    runtime.state_file.write_text(text)
    assert sight(runtime.state_file).state is State.UNCLEAR
    with pytest.raises(RestartFailed, match="nothing was signalled"):
        runtime.supervisor().restart(1)
