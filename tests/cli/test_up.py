"""`joelclaw up` keeps one store and one of each service alive, and takes everything down again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from joelclaw_bus.local_port import HOST, ask
from joelclaw_bus.state_directory import StateDirectory
from joelclaw_cli.up.kept_store import embedded_settings
from joelclaw_cli.up.plan import Plan
from joelclaw_cli.up.ready import ReadyFile, new_directory
from joelclaw_cli.up.restarts import Restart, next_restart

WELL_BEHAVED = """
import json, os, signal, sys, time
print("ALERT critical: the house burns", flush=True)
signal.signal(signal.SIGTERM, lambda *_: (print("settled", flush=True), sys.exit(0)))
ready = os.environ["JOELCLAW_READY_FILE"]
with open(ready + ".tmp", "w") as file:
    json.dump({"service": "router", "pid": os.getpid(), "http": "http://127.0.0.1:1"}, file)
os.rename(ready + ".tmp", ready)
while True:
    time.sleep(1)
"""


class RunningSuite:
    """A suite process, its ready file, its lines."""

    def __init__(self, state: Path, services: dict[str, str], **plan: object) -> None:
        self.state = state
        self.ready_file = state.parent / "ready.json"
        plan |= {"state_dir": str(state), "ready_file": str(self.ready_file), "services": services}
        script = Path(__file__).parent / "suite_process.py"
        self._log = state.parent / f"lines-{time.monotonic_ns()}.txt"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(script), json.dumps(plan)], stdout=subprocess.DEVNULL, stderr=log
            )

    def ready(self) -> dict[str, Any]:
        until(self.ready_file.exists, self.lines)
        told: dict[str, Any] = json.loads(self.ready_file.read_text())
        return told

    def port(self) -> int:
        return int(self.ready()["redis_url"].rpartition(":")[2].partition("/")[0])

    def service_pid(self, name: str = "router") -> int:
        until(lambda: (self.state / "services" / f"{name}.lock").read_text().isdigit(), self.lines)
        return int((self.state / "services" / f"{name}.lock").read_text())

    def store_pid(self) -> int:
        return int((self.state / "store" / "server.pid").read_text())

    def lines(self) -> str:
        return self._log.read_text()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(60)


def until(true: Callable[[], bool], explain: Callable[[], str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


Start = Callable[..., RunningSuite]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    suites: list[RunningSuite] = []

    def make(services: dict[str, str] | None = None, **plan: object) -> RunningSuite:
        suites.append(RunningSuite(tmp_path / "state", services or {"router": WELL_BEHAVED}, **plan))
        return suites[-1]

    yield make
    for suite in suites:
        suite.stop()
    joelclaw("down", "--state-dir", str(tmp_path / "state"))


def joelclaw(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k != "REDIS_URL" and not k.startswith("JOELCLAW_")}
    return subprocess.run(
        [sys.executable, "-m", "joelclaw_cli", *words], env=clean | env, capture_output=True, text=True, timeout=60
    )


def test_it_tells_where_everything_is_once_all_is_ready_and_takes_it_back_at_the_end(start: Start) -> None:
    suite = start()
    told = suite.ready()
    assert told["http"] == {"router": "http://127.0.0.1:1"}
    assert ask(suite.port(), "PING") == "PONG"
    store, router = suite.store_pid(), suite.service_pid()
    assert suite.stop() == 0
    assert "settled" in suite.lines()
    assert (is_alive(store), is_alive(router), suite.ready_file.exists()) == (False, False, False)
    assert not (suite.state / "suite.json").exists()


def test_a_store_that_was_emptied_while_nobody_looked_is_told_at_the_next_start(start: Start) -> None:
    first = start()
    first.ready()
    assert "a NEW state directory, and its store is EMPTY" in first.lines()
    assert first.stop() == 0
    again = start()
    again.ready()
    assert "NEW" not in again.lines()
    assert "ALERT  the store" not in again.lines(), "all is as it was left"
    assert ask(again.port(), "FLUSHALL") == "OK"
    assert again.stop() == 0
    robbed = start()
    robbed.ready()
    assert "ALERT  the store on redis://127.0.0.1:" in robbed.lines()
    assert "has lost all it held: this state directory last knew it at 2" in robbed.lines()
    assert robbed.stop() == 0
    once = start()
    once.ready()
    assert "ALERT  the store" not in once.lines()


def test_a_misspelt_new_state_directory_is_told_with_the_one_that_is_meant(start: Start, tmp_path: Path) -> None:
    start().ready()
    told = new_directory(StateDirectory(tmp_path / "stat"), embedded=True)
    assert f"did you mean {tmp_path / 'state'}? Then stop this" in told


def test_a_service_that_dies_is_started_again(start: Start) -> None:
    suite = start()
    suite.ready()
    first = suite.service_pid()
    os.kill(first, signal.SIGKILL)
    until(lambda: suite.service_pid() not in (0, first), suite.lines)
    assert "router ended by SIGKILL; starting it again" in suite.lines()


def test_a_service_that_moves_to_another_address_is_found_there(start: Start) -> None:
    suite = start({"router": WELL_BEHAVED.replace('"http://127.0.0.1:1"', 'f"http://127.0.0.1:{os.getpid()}"')})
    assert suite.ready()["http"] == {"router": f"http://127.0.0.1:{suite.service_pid()}"}
    first = suite.service_pid()
    os.kill(first, signal.SIGKILL)
    until(lambda: suite.service_pid() not in (0, first), suite.lines)
    until(lambda: suite.ready()["http"] == {"router": f"http://127.0.0.1:{suite.service_pid()}"}, suite.lines)


def test_a_store_that_dies_is_started_again_on_the_same_port_with_its_data(start: Start) -> None:
    suite = start()
    port = suite.port()
    ask(port, "SET", "kept", "yes")
    os.kill(suite.store_pid(), signal.SIGKILL)
    until(lambda: ask(port, "GET", "kept") == "yes", suite.lines)
    assert "the store ended; starting it again" in suite.lines()


def test_a_killed_supervisor_leaves_work_going_and_the_next_up_ends_it_and_never_doubles_it(start: Start) -> None:
    first = start()
    port = first.port()
    ask(port, "SET", "kept", "yes")
    store, router = first.store_pid(), first.service_pid()
    first.process.kill()
    first.process.wait()
    assert (is_alive(store), is_alive(router)) == (True, True)
    first.ready_file.unlink()
    second = start()
    assert second.port() == port
    assert (is_alive(store), is_alive(router)) == (False, False)
    assert ask(port, "GET", "kept") == "yes"
    assert "ended router, which an earlier suite had left running" in second.lines()


def test_down_ends_a_suite_and_also_what_a_killed_one_left(start: Start) -> None:
    suite = start()
    suite.ready()
    store, router = suite.store_pid(), suite.service_pid()
    suite.process.kill()
    suite.process.wait()
    down = json.loads(joelclaw("down", "--state-dir", str(suite.state)).stdout)
    assert down["result"]["ended"] == ["router", "store"]
    assert (is_alive(store), is_alive(router)) == (False, False)


def test_down_stops_a_running_suite_gracefully(start: Start) -> None:
    suite = start()
    suite.ready()
    down = json.loads(joelclaw("down", "--state-dir", str(suite.state)).stdout)
    assert down["result"]["ended"] == ["suite"]
    assert suite.process.wait(60) == 0


def test_a_second_suite_in_the_same_directory_is_refused_in_one_line(start: Start) -> None:
    suite = start()
    suite.ready()
    second = joelclaw("up", "--state-dir", str(suite.state), "--port", "0")
    assert second.returncode == 1
    assert json.loads(second.stdout)["error"]["code"] == "state_directory_busy"
    assert second.stderr.count("\n") == 1
    assert f"in use by process {suite.process.pid}" in second.stderr


def test_a_service_that_refuses_its_configuration_stops_the_suite_and_is_quoted(start: Start) -> None:
    suite = start(
        {"router": "import sys; print('selfHealing.router.modle is no key; did you mean model?'); sys.exit(2)"}
    )
    assert suite.process.wait(60) == 2
    assert "error: router refuses its configuration: selfHealing.router.modle is no key" in suite.lines()


def test_a_service_that_will_not_stop_is_killed_after_its_grace_with_what_it_started(start: Start) -> None:
    stubborn = WELL_BEHAVED.replace(
        'signal.signal(signal.SIGTERM, lambda *_: (print("settled", flush=True), sys.exit(0)))',
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "import subprocess; child = subprocess.Popen(['sleep', '300']); print(f'child={child.pid}.', flush=True)",
    )
    suite = start({"router": stubborn}, grace=0.5)
    suite.ready()
    until(lambda: "." in suite.lines().partition("child=")[2], suite.lines)  # its lines are read beside its ready file
    child = int(suite.lines().partition("child=")[2].partition(".")[0])
    assert suite.stop() == 0
    assert "did not stop in 0.5 s; killed" in suite.lines()
    until(lambda: not is_alive(child), suite.lines)


def test_alerts_of_services_are_shown(start: Start) -> None:
    """Those of the stream come as such a line too: the health service delivers them (tests/health)."""
    suite = start()
    suite.ready()
    alert = "router | ALERT  critical: the house burns"
    until(lambda: alert in suite.lines(), suite.lines)
    assert alert in suite.lines()


def test_a_port_in_use_is_one_line_and_a_failure(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = joelclaw("up", "--state-dir", str(tmp_path), "--port", str(port))
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_redis_url_that_does_not_answer_is_one_line_and_a_failure(tmp_path: Path) -> None:
    done = joelclaw("up", "--state-dir", str(tmp_path), REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "store_unavailable"
    assert "redis://127.0.0.1:1/0 does not answer" in done.stderr


@pytest.mark.parametrize(
    ("deaths", "plan"),
    [
        ([100.0], Restart(0.2, False, 1)),
        ([99.0, 100.0], Restart(0.8, False, 2)),
        ([10.0, 100.0], Restart(0.2, False, 1)),
        ([97.0, 98.0, 99.0, 100.0], Restart(10.0, False, 4)),
        ([96.0, 97.0, 98.0, 99.0, 100.0], Restart(30.0, True, 5)),
    ],
)
def test_restarts_slow_down_and_five_deaths_in_a_minute_are_a_crash_loop(deaths: list[float], plan: Restart) -> None:
    assert next_restart(deaths, now=100.0) == plan


def test_a_ready_file_that_could_not_be_written_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = joelclaw("up", "--state-dir", str(tmp_path / "state"), "--ready-file", str(tmp_path / "none" / "ready"))
    assert done.returncode == 2
    assert "there is no directory" in done.stderr
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("what", ["text", "json", "directory", "link", "device", "large"])
def test_a_ready_file_never_takes_the_place_of_what_is_not_ours(tmp_path: Path, what: str) -> None:
    path = tmp_path / "ready"
    if what == "directory":
        path.mkdir()
    elif what == "link":
        (tmp_path / "other").write_text("")
        path.symlink_to(tmp_path / "other")
    elif what == "device":
        path = Path("/dev/full")
    else:
        path.write_text({"text": "my notes", "json": '{"redis_url": 1, "mine": 2}', "large": " " * 70_000}[what])
    before = path.lstat()
    done = joelclaw("up", "--state-dir", str(tmp_path / "state"), "--ready-file", str(path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("there", ["", '{"redis_url": "redis://127.0.0.1:1/0", "http": {}}\n'])
def test_an_earlier_or_an_empty_ready_file_is_replaced(tmp_path: Path, there: str) -> None:
    path = tmp_path / "ready"
    path.write_text(there)
    ReadyFile(path).claim()
    assert not path.exists()


def test_what_somebody_else_put_in_the_place_of_the_ready_file_stays(start: Start) -> None:
    suite = start()
    suite.ready()
    suite.ready_file.write_text("mine")
    assert suite.stop() == 0
    assert suite.ready_file.read_text() == "mine"


def test_while_one_service_is_away_the_address_of_another_is_told_all_the_same(start: Start) -> None:
    moving = WELL_BEHAVED.replace('"http://127.0.0.1:1"', 'f"http://127.0.0.1:{os.getpid()}"')
    once = (
        "import os, pathlib, time; mark = pathlib.Path(os.environ['JOELCLAW_STATE_DIR'], 'once')\n"
        "if mark.exists(): time.sleep(60)\n"
        "mark.touch()\n"
    )
    suite = start({"router": moving, "health": once + moving})
    assert set(suite.ready()["http"]) == {"router", "health"}
    os.kill(suite.service_pid("health"), signal.SIGKILL)
    until(lambda: "health" not in suite.ready()["http"], suite.lines)
    first = suite.service_pid()
    os.kill(first, signal.SIGKILL)
    until(lambda: suite.service_pid() not in (0, first), suite.lines)
    here = {"router": f"http://127.0.0.1:{suite.service_pid()}"}
    until(lambda: suite.ready()["http"] == here, suite.lines)
    assert json.loads((suite.state / "suite.json").read_text())["http"] == here


def test_an_address_that_is_not_ours_ends_the_suite_in_one_line(tmp_path: Path) -> None:
    words = ("--state-dir", str(tmp_path / "state"), "--port", "0", "--http-host", "203.0.113.7")
    done = joelclaw("up", *words)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "can't listen on 203.0.113.7" in line


def test_the_embedded_store_refuses_a_level_that_it_cannot_give(tmp_path: Path) -> None:
    done = joelclaw("up", "--state-dir", str(tmp_path), JOELCLAW_DURABILITY="replica")
    assert done.returncode == 2
    assert "the embedded store has no replicas" in done.stdout + done.stderr


def test_at_local_the_embedded_store_syncs_each_write(tmp_path: Path) -> None:
    def fsync(**environ: str) -> str:
        return embedded_settings(Plan(state_dir=tmp_path, environ=environ), tmp_path).fsync

    assert fsync() == "everysec"
    assert fsync(JOELCLAW_DURABILITY=" Local ") == "always"
