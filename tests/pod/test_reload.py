"""SIGHUP to a real service process: the new configuration, or the last good one and an alarm."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.pod.conftest import Server, eventually
from tests.pod.test_serve import Service

from joelclaw_bus import Publisher, Store, StoreSettings, open_store
from joelclaw_contracts import HealthCheckRequested, load_config

Start = Callable[..., Service]
LONG = 40  # seconds, which only end a broken test


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text("{}")
    return path


@pytest.fixture
def service(tmp_path: Path, server: Server, file: Path) -> Iterator[Service]:
    """Its worker is the bus's own, quick with its heartbeats."""
    environ = {"REDIS_URL": server.url, "JOELCLAW_CONFIG": str(file), "JOELCLAW_STATE_DIR": str(tmp_path)}
    started = Service(tmp_path, "real", JOELCLAW_LEASE_MS="600", HOME=str(tmp_path), **environ)
    started.ready()
    yield started
    started.kill()


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(server.url)) as opened:
        yield opened


def write(file: Path, text: str) -> None:
    file.write_text(text)


def read(file: Path) -> str:
    return file.read_text()


def hash_of(file: Path) -> str:
    return load_config({"JOELCLAW_CONFIG": str(file)}, home=Path("/nowhere")).hash


async def beats(store: Store) -> list[dict[str, Any]]:
    return [json.loads(row) for row in (await store.call("HGETALL", store.keys.workers))[1::2]]


async def once_told(store: Store, action: str) -> dict[str, Any]:
    """Evidence is written behind the act."""

    async def is_told() -> bool:
        return bool(await told(store, action))

    await eventually(is_told, LONG)
    (record,) = await told(store, action)
    return record


async def told(store: Store, action: str) -> list[dict[str, Any]]:
    entries = await store.call("XRANGE", "otel/event", "-", "+")
    records = [json.loads(dict(zip(f[::2], f[1::2], strict=True))[b"data"]) for _, f in entries]
    return [r for r in records if r["action"] == action]


async def serves(store: Store, id: str) -> None:
    """A new event is handled."""
    await Publisher(store).send(HealthCheckRequested(), id=id)

    async def idle() -> bool:
        (group,) = await store.call("XINFO", "GROUPS", "system/health.check.requested")
        facts = dict(zip(group[::2], group[1::2], strict=True))
        return bool(facts[b"pending"] == facts[b"lag"] == 0)

    await eventually(idle, LONG)


async def test_a_good_configuration_is_in_force_in_the_same_process(service: Service, store: Store, file: Path) -> None:
    before = hash_of(file)

    async def beaten() -> bool:
        return bool(await beats(store))

    await eventually(beaten, LONG)
    (first,) = await beats(store)
    assert first["config"] == before
    write(file, '{"selfHealing": {"router": {"maxRetries": 7}}}')
    service.process.send_signal(signal.SIGHUP)

    async def changed() -> bool:
        return [b["config"] for b in await beats(store)] == [hash_of(file)]

    await eventually(changed, LONG)  # one row: the old worker has struck its name
    (now,) = await beats(store)
    assert now["pid"] == first["pid"] == service.process.pid
    record = await once_told(store, "config.reloaded")
    assert (record["metadata"]["before"], record["metadata"]["after"]) == (before, hash_of(file))
    assert record["metadata"]["changed"] == ["selfHealing.router.maxRetries", "backupFailureRouter.maxRetries"]
    await serves(store, "after")
    service.process.send_signal(signal.SIGTERM)
    assert service.ended()[0] == 0


@pytest.mark.parametrize("bad", ['{"budgets": {"actsPerHuor": 1}}', "{", '{"health": {"closings": 0}}'])
async def test_a_bad_one_is_refused_with_an_alarm_and_the_last_good_one_stays(
    service: Service, store: Store, file: Path, tmp_path: Path, bad: str
) -> None:
    kept = hash_of(file)
    write(file, bad)
    for _ in range(3):
        service.process.send_signal(signal.SIGHUP)

    async def refused() -> bool:
        return any("configRefused" in b for b in await beats(store))

    await eventually(refused, LONG)
    (beat,) = await beats(store)
    assert beat["config"] == kept
    assert str(file) in beat["configRefused"]
    await serves(store, "meanwhile")
    record = await once_told(store, "config.refused")
    assert (record["success"], record["metadata"]["kept"]) == (False, kept)
    write(file, '{"health": {"closings": 3}}')
    service.process.send_signal(signal.SIGHUP)

    async def accepted() -> bool:
        return [(b["config"], "configRefused" in b) for b in await beats(store)] == [(hash_of(file), False)]

    await eventually(accepted, LONG)
    service.process.send_signal(signal.SIGTERM)
    code, lines = service.ended()
    alerts = [line for line in lines if line.startswith("ALERT ")]
    assert code == 0
    assert [line.split(" service=")[0] for line in alerts] == [
        "ALERT opened config/refused",
        "ALERT resolved config/refused",
    ], "an alarm for a transition, not for each signal"
    assert read(tmp_path / "alerts.log").count("ALERT ") == 2


async def test_a_rotated_secret_reaches_the_worker_though_the_hash_stays(
    service: Service, store: Store, file: Path
) -> None:
    write(file, '{"backup": {"redis": {"url": "redis://u:first@127.0.0.1:1/0"}}}')
    service.process.send_signal(signal.SIGHUP)

    async def reloads(count: int) -> bool:
        return len(await told(store, "config.reloaded")) == count

    await eventually(lambda: reloads(1), LONG)
    write(file, '{"backup": {"redis": {"url": "redis://u:second@127.0.0.1:1/0"}}}')
    service.process.send_signal(signal.SIGHUP)
    await eventually(lambda: reloads(2), LONG)
    _, last = await told(store, "config.reloaded")
    assert last["metadata"]["before"] == last["metadata"]["after"] == hash_of(file)
    assert "second" not in json.dumps(last)


async def test_while_it_waits_for_the_store_it_reads_the_configuration_again(
    tmp_path: Path, absent_server: Server, file: Path
) -> None:
    environ = {"REDIS_URL": absent_server.url, "JOELCLAW_CONFIG": str(file), "JOELCLAW_LEASE_MS": "600"}
    service = Service(tmp_path, "real", HOME=str(tmp_path), **environ)
    try:
        assert service.process.stderr is not None
        for line in service.process.stderr:
            if "waiting for the store" in line:
                break
        write(file, '{"health": {"closings": 4}}')
        service.process.send_signal(signal.SIGHUP)
        for line in service.process.stderr:
            if "read again" in line:
                break
        absent_server.start()
        service.ready()
        async with open_store(StoreSettings(absent_server.url)) as store:

            async def beaten() -> bool:
                return bool(await beats(store))

            await eventually(beaten, LONG)
            assert [b["config"] for b in await beats(store)] == [hash_of(file)]
    finally:
        service.kill()
