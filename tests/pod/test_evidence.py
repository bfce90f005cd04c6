from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from tests.pod.conftest import Server, eventually

from joelclaw_bus.errors import BusError, StoreRefused
from joelclaw_bus.store import Store, StoreSettings, open_store
from joelclaw_contracts import OtelEvent
from joelclaw_pod.error_limit import ErrorLimit
from joelclaw_pod.evidence import Evidence
from joelclaw_pod.otel_record import RECORD_BYTES


@asynccontextmanager
async def sink(server: Server, prefix: str = "", **more: Any) -> AsyncIterator[tuple[Evidence, Store]]:
    async with open_store(StoreSettings(server.url, prefix, deadline=2)) as store:
        yield Evidence(store, "router", "here", **more), store


async def has(store: Store, count: int) -> bool:
    try:
        return bool(await store.call("XLEN", "otel/event") >= count)
    except BusError:  # the server is on its way up
        return False


async def records(store: Store, key: str = "otel/event") -> list[dict[str, Any]]:
    entries = await store.call("XRANGE", key, "-", "+")
    found = []
    for _, fields in entries:
        pairs = dict(zip(fields[::2], fields[1::2], strict=True))
        record = OtelEvent.from_json(pairs[b"data"]).to_wire()
        assert pairs[b"id"].decode() == record["id"]
        assert int(pairs[b"ts"]) == record["timestamp"]
        assert pairs[b"source"].decode() == record["source"]
        found.append(record)
    return found


async def test_a_record_has_the_fields_of_the_contract(server: Server) -> None:
    async with sink(server, "p:") as (evidence, store):
        evidence.emit("info", "router", "system.self-healing.router", True, duration_ms=1.5, metadata={"rule": "r1"})
        evidence.emit("warn", "router", "x", False, error=ValueError("bad"))
        assert await evidence.flush(5)
        first, second = await records(store, "p:otel/event")
    assert len(first.pop("id")) == 32
    assert abs(first.pop("timestamp") - time.time() * 1000) < 60_000
    assert first.pop("sessionId") == evidence.session_id
    assert first == {
        "systemId": "here",
        "level": "info",
        "source": "router",
        "component": "router",
        "action": "system.self-healing.router",
        "success": True,
        "duration_ms": 1.5,
        "metadata": {"rule": "r1"},
    }
    assert (second["error"], second["success"], second["metadata"]) == ("ValueError: bad", False, {})
    assert "duration_ms" not in second


async def test_it_is_written_in_the_background_in_order(server: Server) -> None:
    async with sink(server) as (evidence, store), anyio.create_task_group() as group:
        group.start_soon(evidence.run)
        for n in range(250):
            evidence.emit("info", "c", f"a{n}", True)
        threading.Thread(target=evidence.emit, args=("info", "c", "from a thread", True)).start()
        await eventually(lambda: has(store, 251))
        assert [r["action"] for r in await records(store)][:250] == [f"a{n}" for n in range(250)]
        group.cancel_scope.cancel()


async def test_secrets_stay_here(server: Server) -> None:
    async with sink(server) as (evidence, store):
        evidence.emit("error", "c", "a", True, error="redis://u:hunter2@h", metadata={"apiKey": "hunter2"})
        await evidence.flush(5)
        assert "hunter2" not in json.dumps(await records(store))


async def test_a_storm_of_one_error_is_a_few_records_and_a_count(server: Server) -> None:
    async with sink(server, limit=ErrorLimit(burst=5)) as (evidence, store):
        for n in range(1000):
            evidence.emit("error", "backup", "copy", False, error=f"timeout after {n} s: again")
            evidence.emit("info", "backup", "step", True)
        await evidence.flush(5)
        found = await records(store)
    storm = [r for r in found if r["action"] == "copy"]
    assert len(storm) == 6
    assert storm[-1]["metadata"]["repeated"] == 995
    assert storm[-1]["success"] is True
    assert len([r for r in found if r["action"] == "step"]) == 1000


async def test_the_summary_comes_when_the_window_is_over(server: Server) -> None:
    now = [0.0]
    async with sink(server, limit=ErrorLimit(burst=1, window=60), clock=lambda: now[0]) as (evidence, store):
        for _ in range(3):
            evidence.emit("error", "c", "a", False, error="x")
        await evidence.write()
        assert len(await records(store)) == 1
        now[0] = 60.0
        await evidence.write()
        assert (await records(store))[1]["metadata"]["repeated"] == 2


async def test_an_outage_is_spooled_and_what_did_not_fit_is_said_once(absent_server: Server) -> None:
    dropped: list[int] = []
    async with sink(absent_server, spool=10, on_drop=dropped.append) as (evidence, store):
        async with anyio.create_task_group() as group:
            group.start_soon(evidence.run)
            await anyio.sleep(0.05)
            for n in range(25):
                evidence.emit("info", "c", f"a{n}", True)
            await anyio.sleep(0.3)
            absent_server.start()
            await eventually(lambda: has(store, 11))
            await anyio.sleep(0.1)
            group.cancel_scope.cancel()
        found = await records(store)
    assert [r["action"] for r in found] == [f"a{n}" for n in range(10)] + ["evidence.dropped"]
    assert found[-1]["metadata"] == {"dropped": 15}
    assert sum(dropped) == 15


async def test_a_refused_write_is_kept_and_made_later(server: Server) -> None:
    async with sink(server) as (evidence, store):
        await store.call("SET", "otel/event", "in the way")
        evidence.emit("info", "c", "a", True)
        with pytest.raises(StoreRefused):
            await evidence.write()
        assert not await evidence.flush(1)
        await store.call("DEL", "otel/event")
        assert await evidence.flush(5)
        assert [r["action"] for r in await records(store)] == ["a"]


async def test_the_stream_is_bounded(server: Server) -> None:
    async with sink(server, length=200) as (evidence, store):
        for _ in range(1000):
            evidence.emit("info", "c", "a", True)
        await evidence.flush(5)
        assert 200 <= await store.call("XLEN", "otel/event") < 400


async def test_a_huge_record_is_cut_and_says_so(server: Server) -> None:
    async with sink(server) as (evidence, store):
        evidence.emit("info", "c", "a", True, error="e" * 100_000, metadata={"dump": "m" * 100_000})
        await evidence.flush(5)
        (record,) = await records(store)
    assert record["error"].endswith("(cut)")
    assert record["metadata"]["cut"] is True
    assert len(json.dumps(record)) < RECORD_BYTES


async def test_emit_never_blocks_nor_raises(absent_server: Server) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no")

    async with sink(absent_server, spool_bytes=1_000_000) as (evidence, _):
        began = time.perf_counter()
        for _ in range(10_000):
            evidence.emit("info", "c", "a", True, metadata={"n": float("nan"), "odd": Odd(), "s": "\ud800"})
        assert time.perf_counter() - began < 5
