"""The embedded store keeps its data, keeps its port, is never doubled, and says clearly why it can't start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from joelclaw_bus.embedded import EmbeddedSettings, EmbeddedStore
from joelclaw_bus.errors import StateDirectoryBusy, StateDirectoryUnusable, StoreNotStarted
from joelclaw_bus.file_lock import FileLock
from joelclaw_bus.local_port import HOST, ask
from joelclaw_bus.state_directory import StateDirectory


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore(EmbeddedSettings(tmp_path / "store", port=0))
    store.start()
    yield store
    store.stop()


def again(store: EmbeddedStore) -> EmbeddedStore:
    return EmbeddedStore(EmbeddedSettings(store.directory, port=0))


def is_alive(pid: int) -> bool:
    """A zombie of ours is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_answers_as_soon_as_it_has_started_and_is_set_for_durability(store: EmbeddedStore) -> None:
    assert ask(store.port, "PING") == "PONG"
    settings = {name: ask(store.port, "CONFIG", "GET", name) for name in ("appendonly", "appendfsync", "bind")}
    assert settings == {"appendonly": "yes", "appendfsync": "everysec", "bind": HOST}
    assert ask(store.port, "CONFIG", "GET", "maxmemory-policy") == "noeviction"


def test_data_and_port_survive_a_graceful_end(store: EmbeddedStore) -> None:
    ask(store.port, "SET", "kept", "yes")
    port = store.port
    store.stop()
    store.start()
    assert (store.port, ask(store.port, "GET", "kept")) == (port, "yes")


def test_data_survives_a_kill_of_the_server(store: EmbeddedStore) -> None:
    ask(store.port, "SET", "kept", "yes")
    os.kill(store.pid, signal.SIGKILL)
    store.start()
    assert ask(store.port, "GET", "kept") == "yes"


def test_an_orphaned_server_is_ended_and_its_data_and_port_are_taken_over(store: EmbeddedStore) -> None:
    ask(store.port, "SET", "kept", "yes")
    orphan = store.pid
    heir = again(store)
    heir.start()
    try:
        assert not is_alive(orphan)
        assert (heir.port, ask(heir.port, "GET", "kept")) == (store.port, "yes")
    finally:
        heir.stop()


def test_an_orphan_that_no_longer_answers_is_ended_too(store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joelclaw_bus.embedded.STOPPING_SECONDS", 0.5)
    orphan = store.pid
    os.kill(orphan, signal.SIGSTOP)
    heir = again(store)
    heir.start()
    try:
        assert not is_alive(orphan)
        assert heir.pid not in (0, orphan)
    finally:
        heir.stop()


def test_a_strangers_lock_on_the_directory_is_told_and_nothing_is_killed(tmp_path: Path) -> None:
    stranger = FileLock(tmp_path / "server.lock")
    assert stranger.take()
    (tmp_path / "server.pid").write_text(str(os.getpid()))
    with pytest.raises(StoreNotStarted, match=r"a store from an earlier run .process unknown. holds"):
        EmbeddedStore(EmbeddedSettings(tmp_path, port=0)).start()
    stranger.leave()


def test_a_port_in_use_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StoreNotStarted, match=rf"port {port} is in use; .*--port"):
            EmbeddedStore(EmbeddedSettings(tmp_path, port=port)).start()


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreNotStarted, match="can't be used"):
        EmbeddedStore(EmbeddedSettings(tmp_path / "file" / "store")).start()
    with pytest.raises(StateDirectoryUnusable, match="--state-dir"):
        StateDirectory(tmp_path / "file" / "state").open()


def test_a_damaged_append_only_file_stops_the_start_with_the_servers_own_words(store: EmbeddedStore) -> None:
    ask(store.port, "SET", "kept", "yes")
    store.stop()
    (damaged,) = (store.directory / "appendonlydir").glob("*.incr.aof")
    damaged.write_bytes(b"*2\r\n$6\r\nGARBAGE!\r\n" + damaged.read_bytes())
    with pytest.raises(StoreNotStarted, match=r"append only file.*server.log"):
        again(store).start()


def test_without_a_program_for_this_platform_it_says_to_set_redis_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(StoreNotStarted, match="set REDIS_URL"):
        EmbeddedStore(EmbeddedSettings(tmp_path)).start()


def test_a_second_suite_in_one_state_directory_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    first, second = StateDirectory(tmp_path), StateDirectory(tmp_path)
    first.open()
    with pytest.raises(StateDirectoryBusy, match=f"process {os.getpid()}"):
        second.open()
    assert second.holder() == os.getpid()
    first.close()
    second.open()
    second.close()
    assert second.holder() is None


def test_the_lock_falls_with_the_process_that_holds_it_even_by_sigkill(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from joelclaw_bus.state_directory import StateDirectory\n"
        "StateDirectory(pathlib.Path(sys.argv[1])).open(); print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    state = StateDirectory(tmp_path)
    with pytest.raises(StateDirectoryBusy):
        state.open()
    child.kill()
    child.wait()
    child.stdout.close()
    state.open()
    state.close()


def test_a_state_directory_whose_holder_does_not_say_who_it_is_is_held_all_the_same(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    state.open()
    (tmp_path / "suite.lock").write_text("")  # as while it leaves: `down` must not take it for gone
    assert StateDirectory(tmp_path).holder() == 0
    state.close()
    assert StateDirectory(tmp_path).holder() is None
