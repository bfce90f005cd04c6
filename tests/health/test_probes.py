"""Each probe on real parts: ok, failing, and unknown where nothing answered."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import anyio
import pytest

from joelclaw_bus import Store, StoreSettings, open_store
from joelclaw_bus.doctor.examine import Doctor
from joelclaw_contracts.config import SENTINEL
from joelclaw_health.probes.data_path import data_path
from joelclaw_health.probes.destination import Destination, destination
from joelclaw_health.probes.heartbeats import heartbeats
from joelclaw_health.probes.http import get_ready, http
from joelclaw_health.probes.runtime import runtime
from joelclaw_health.probes.touch import touch
from joelclaw_health.probes.waiting import waiting
from joelclaw_health.registry import read_registry
from joelclaw_health.sample import Sample
from tests.health.conftest import answering, beat
from tests.support.server import Server, free_port

# The store


async def test_a_store_that_takes_and_gives_back_is_ok_and_nothing_is_left_in_it(store: Store) -> None:
    path, files = await data_path(store, now=1, timeout=20)
    assert (path.outcome, files.outcome) == ("ok", "ok")
    assert path.value.endswith("ms")
    assert await store.call("KEYS", "*probe*") == []


async def test_a_frozen_store_is_unknown_and_not_failing(own_server: Server) -> None:
    async with open_store(StoreSettings(own_server.url)) as store:
        own_server.send(signal.SIGSTOP)
        samples = await data_path(store, now=1, timeout=0.3)
    assert [s.outcome for s in samples] == ["unknown", "unknown"]


async def test_a_store_that_is_gone_is_failing(own_server: Server) -> None:
    own_server.stop()
    async with open_store(StoreSettings(own_server.url)) as store:
        path, files = await data_path(store, now=1, timeout=20)
    assert (path.outcome, path.reason) == ("failing", "connection refused")
    assert files.outcome == "unknown", "nothing is known of its files then"


async def test_a_store_that_refuses_writes_is_failing_though_it_answers_a_ping(own_server: Server) -> None:
    with own_server.client() as client:
        client.config_set("maxmemory", 1)
    async with open_store(StoreSettings(own_server.url)) as store:
        assert await store.call("PING") == b"PONG"
        path, _ = await data_path(store, now=1, timeout=20)
    assert path.outcome == "failing"
    assert path.reason.startswith("OOM")


async def test_a_failed_snapshot_is_failing_even_while_writes_go_on(own_server: Server) -> None:
    with own_server.client() as client:
        os.mkdir(own_server.directory / "dump.rdb")  # its rename onto a directory fails
        client.bgsave()
        with anyio.fail_after(60):
            while client.info("persistence")["rdb_last_bgsave_status"] == "ok":  # noqa: ASYNC110  the server's affair
                await anyio.sleep(0.02)
    async with open_store(StoreSettings(own_server.url)) as store:
        path, files = await data_path(store, now=1, timeout=20)
    assert path.outcome == "ok"
    assert files.outcome == "failing"
    assert "(rdb_last_bgsave_status: err). → look at its disk and its log" in files.reason


@pytest.mark.parametrize(
    ("append_only", "save", "said"),
    [
        ("no", "", ("failing", "nothing", "nothing is ever written to disk")),
        ("no", "3600 1", ("ok", "snapshots only", "a crash loses all since the last snapshot")),
        ("yes", "", ("ok", "append-only", "")),
    ],
)
async def test_health_says_of_the_disk_what_doctor_says(
    one_server: Server, append_only: str, save: str, said: tuple[str, str, str]
) -> None:
    with one_server.client() as client:
        before = [client.config_get(name)[name] for name in ("appendonly", "save")]
        client.config_set("appendonly", append_only)
        client.config_set("save", save)
    async with open_store(StoreSettings(one_server.url)) as store:
        _, files = await data_path(store, now=1, timeout=20)
        doctor = [c for c in await Doctor(store).examine() if c.todo.startswith("appendonly")]
    with one_server.client() as client:
        client.config_set("appendonly", before[0])
        client.config_set("save", before[1])
    assert (files.outcome, files.value) == said[:2]
    assert said[2] in files.reason
    assert files.reason == "; ".join(f"{c.what}. → {c.todo}" for c in doctor)


async def test_a_user_who_may_not_ask_for_settings_is_told_what_is_known(own_server: Server) -> None:
    with own_server.client() as client:
        client.acl_setuser("default", enabled=True, nopass=True, commands=["-config"])
    async with open_store(StoreSettings(own_server.url)) as store:
        _, files = await data_path(store, now=1, timeout=20)
    assert (files.outcome, files.value) == ("ok", "append-only")


# Heartbeats


async def beats(store: Store, silent_ms: int = 5_000) -> dict[str, Sample]:
    registry = await read_registry(store)
    found = heartbeats(registry.expected(), now=registry.now_ms, silent_ms=silent_ms)
    return {s.component: s for s in found}


async def test_a_fresh_heartbeat_is_ok_and_idle_is_a_value(store: Store) -> None:
    await beat(store, "router")
    await beat(store, "backup", worker="w2", inHand=3)
    found = await beats(store)
    assert {s.outcome for s in found.values()} == {"ok"}
    assert "idle" in found["router"].value
    assert "3 in hand" in found["backup"].value


async def test_a_heartbeat_that_is_there_but_old_is_failing(store: Store) -> None:
    await beat(store, "router", age_ms=60_000)
    assert (await beats(store))["router"].outcome == "failing"


async def test_none_where_one_is_expected_is_failing(store: Store) -> None:
    await beat(store, "router")
    await store.call("DEL", store.keys.workers)
    found = (await beats(store))["router"]
    assert (found.outcome, found.reason) == ("failing", "no worker has a heartbeat")


async def test_one_live_worker_serves_though_another_is_silent(store: Store) -> None:
    await beat(store, "router", age_ms=60_000)
    await beat(store, "router", worker="w2")
    found = (await beats(store))["router"]
    assert found.outcome == "ok"
    assert "1 silent" in found.value


async def test_a_slow_beat_is_measured_by_its_own_cadence(store: Store) -> None:
    await beat(store, "router", age_ms=60_000, everyMs=30_000)
    assert (await beats(store))["router"].outcome == "ok"


async def test_a_function_of_no_service_is_expected_too(store: Store) -> None:
    await store.call("HSET", store.keys.functions, "stranger/work", "{}")
    assert (await beats(store))["stranger/work"].outcome == "failing"


# HTTP

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
NOT_READY = b'HTTP/1.1 503 X\r\nConnection: close\r\n\r\n{"reasons": ["the store does not answer"]}'


@pytest.mark.parametrize(
    ("reply", "outcome", "text"),
    [
        (OK, "ok", "ready"),
        (NOT_READY, "failing", "HTTP 503: the store does not answer"),
        (None, "unknown", "no answer within 0.3 s"),
        (b"", "unknown", "the answer broke off"),
        (b"SSH-2.0-x\r\n\r\n", "unknown", "the answer broke off"),
    ],
    ids=["ready", "not ready", "silent", "closed", "no HTTP"],
)
async def test_an_answer_over_http_is_read_as_it_is_meant(reply: bytes | None, outcome: str, text: str) -> None:
    async with answering(reply) as url:
        got = await get_ready(url, 0.3)
    assert got.outcome == outcome
    assert got.text.startswith(text)


async def test_a_refused_connection_is_failing() -> None:
    got = await get_ready(f"http://127.0.0.1:{free_port()}", 20)
    assert (got.outcome, got.text) == ("failing", "connection refused")


async def test_only_live_workers_are_asked_and_one_ready_one_is_enough(store: Store) -> None:
    async with answering(OK) as good, answering(NOT_READY) as bad:
        await beat(store, "router", http=good, worker="w1")
        await beat(store, "router", http=bad, worker="w2")
        await beat(store, "router", http="http://127.0.0.1:1", worker="w3", age_ms=90_000)
        registry = await read_registry(store)
        (router,) = registry.expected()
        limit = anyio.CapacityLimiter(2)
        (found,) = await http(router, now=registry.now_ms, silent_ms=5_000, timeout=20, limit=limit)
    assert (found.outcome, found.value) == ("ok", "1 of 2 ready")


async def test_where_no_worker_lives_nobody_is_asked(store: Store) -> None:
    await beat(store, "router", http="http://127.0.0.1:1", age_ms=90_000)
    registry = await read_registry(store)
    (router,) = registry.expected()
    limit = anyio.CapacityLimiter(2)
    assert await http(router, now=registry.now_ms, silent_ms=5_000, timeout=20, limit=limit) == []


# What waits


async def test_work_that_waits_too_long_is_failing_and_names_its_function(store: Store) -> None:
    await beat(store, "router")
    slot = store.keys.slot("test/job")
    await store.call("XGROUP", "CREATE", slot.stream, "router/work", "0", "MKSTREAM")
    registry = await read_registry(store)

    async def sample() -> Sample:
        (found,) = await waiting(store, registry.expected(), ["test/job"], now=registry.now_ms, waiting_ms=5_000)
        return found

    assert (await sample()).value == "nothing waits"
    await store.call("XADD", slot.stream, f"{registry.now_ms - 60_000}-1", "data", "{}")
    unread = await sample()
    assert unread.outcome == "failing"
    assert "router/work has had an entry of test/job" in unread.reason
    await store.call("XREADGROUP", "GROUP", "router/work", "c", "STREAMS", slot.stream, ">")
    assert (await sample()).outcome == "failing", "in hand is not ended"
    await store.call("XACK", slot.stream, "router/work", f"{registry.now_ms - 60_000}-1")
    assert (await sample()).outcome == "ok"


async def test_what_is_registered_and_never_written_waits_for_nothing(store: Store) -> None:
    await beat(store, "router")
    registry = await read_registry(store)
    (found,) = await waiting(store, registry.expected(), ["no/such"], now=registry.now_ms, waiting_ms=1)
    assert found.outcome == "ok"


# Destinations


async def reach(kind: str, path: Path, timeout: float = 20, free_mb: int = 0) -> Sample:
    return await destination(Destination("d", kind, str(path)), now=1, timeout=timeout, free_mb=free_mb)  # type: ignore[arg-type]  # a word


async def test_a_directory_that_takes_a_durable_write_is_ok_and_is_left_empty(tmp_path: Path) -> None:
    found = await reach("directory", tmp_path)
    assert found.outcome == "ok"
    assert found.value.endswith("MiB free")
    assert os.listdir(tmp_path) == []


async def test_a_missing_directory_is_failing_and_is_not_made(tmp_path: Path) -> None:
    found = await reach("directory", tmp_path / "gone")
    assert (found.outcome, found.reason) == ("failing", f"{tmp_path / 'gone'} does not exist")
    assert not (tmp_path / "gone").exists()


async def test_a_mount_that_is_not_mounted_is_failing_and_gets_no_byte(tmp_path: Path) -> None:
    before = os.stat(tmp_path).st_mtime_ns
    found = await reach("mount", tmp_path)
    assert found.reason == f"nothing is mounted at {tmp_path}"
    assert os.stat(tmp_path).st_mtime_ns == before


def test_a_link_to_another_file_system_is_no_mount(tmp_path: Path) -> None:
    """Its device differs from its parent's, which is all that `is_mount` looks at; nothing is mounted there."""
    elsewhere = Path("/dev/shm")
    if not os.access(elsewhere, os.W_OK) or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to write to")
    folder = elsewhere / f"joelclaw-test-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / SENTINEL).touch()
        (tmp_path / "nas").symlink_to(folder)
        assert touch("mount", tmp_path / "nas")["reason"] == f"nothing is mounted at {tmp_path / 'nas'}"
    finally:
        shutil.rmtree(folder)


def test_a_mount_without_the_sentinel_is_not_the_right_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joelclaw_health.probes.touch._is_mounted", lambda path: True)
    assert "sentinel" in str(touch("mount", tmp_path)["reason"])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / SENTINEL).touch()
    assert touch("mount", tmp_path)["ok"]


async def test_a_destination_with_too_little_space_is_failing(tmp_path: Path) -> None:
    found = await reach("directory", tmp_path, free_mb=10**9)
    assert found.outcome == "failing"
    assert "MiB left" in found.reason


async def test_a_file_in_its_place_is_failing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert (await reach("directory", tmp_path / "file")).outcome == "failing"


async def test_a_destination_that_hangs_is_unknown_and_its_child_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = tmp_path / "hang"
    hang.write_text('#!/bin/sh\necho $$ > "$0.pid"\nexec sleep 600\n')
    hang.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hang))
    for timeout in (0.5, 5.0, 20.0):  # a busy machine may not even have begun it
        found = await reach("directory", tmp_path, timeout=timeout)
        if (tmp_path / "hang.pid").exists():
            break
    assert (found.outcome, "did not answer within" in found.reason) == ("unknown", True)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "hang.pid").read_text()), 0)


# The runtime


@pytest.mark.parametrize(
    ("reply", "outcome", "reason"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", "ok", ""),
        (b"HTTP/1.1 503 Not Ready\r\n\r\n", "failing", "HTTP 503"),
        (None, "unknown", "no answer within 0.3 s"),
    ],
)
async def test_the_runtime_is_asked_where_it_is_ready_and_silence_is_unknown(
    reply: bytes | None, outcome: str, reason: str
) -> None:
    async with answering(reply) as url:
        found = await runtime(url, now=1, timeout=0.3 if reply is None else 20)
    assert (found.key, found.outcome, found.reason) == ("runtime readiness", outcome, reason)


async def test_a_runtime_that_refuses_is_failing() -> None:
    found = await runtime(f"http://127.0.0.1:{free_port()}", now=1, timeout=20)
    assert (found.outcome, found.reason) == ("failing", "connection refused")
