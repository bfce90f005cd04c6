"""What workers say of themselves, and what stays when the last one is gone."""

from __future__ import annotations

import json
from typing import Any

import anyio

from joelclaw_bus import Event, Functions, Step, Store, event
from tests.support.worker_process import Job
from tests.support.workers import working


async def _read(store: Store, key: str) -> dict[str, Any]:
    flat = await store.call("HGETALL", key)
    return {name.decode(): json.loads(raw) for name, raw in zip(flat[::2], flat[1::2], strict=True)}


def _functions() -> Functions:
    functions = Functions()

    @functions.function("test/work", on=[event(Job)], retries=1)
    async def work(e: Event[Job], step: Step) -> None:
        del e, step

    return functions


async def test_a_heartbeat_carries_what_the_worker_says_of_itself_and_its_own_cadence(store: Store) -> None:
    about = {"service": "tests", "http": ""}
    async with working(store, _functions(), about=about):  # type: ignore[arg-type]  # the one setting that is no number
        about["http"] = "http://127.0.0.1:1"  # known later than the worker: read at each heartbeat
        with anyio.fail_after(60):
            while not (beats := await _read(store, store.keys.workers)) or not all(  # noqa: ASYNC110  it beats there
                b["http"] for b in beats.values()
            ):
                await anyio.sleep(0.02)
        (beat,) = beats.values()
        assert (beat["service"], beat["functions"]) == ("tests", ["test/work"])
        assert 0 < beat["everyMs"] <= 2_000
    assert await _read(store, store.keys.workers) == {}, "a worker that stops takes its heartbeat away"
    services = await _read(store, store.keys.services)
    assert services["tests"]["functions"] == ["test/work"], "and its service is still expected"


async def test_the_first_heartbeat_waits_for_a_read_cycle_and_not_for_a_third_of_a_lease(store: Store) -> None:
    async with working(store, _functions(), lease_ms=120_000):
        with anyio.fail_after(60):
            while not (beats := await _read(store, store.keys.workers)):  # noqa: ASYNC110  it beats there
                await anyio.sleep(0.02)
    assert [beat["functions"] for beat in beats.values()] == [["test/work"]]


async def test_a_worker_without_a_service_registers_none(store: Store) -> None:
    async with working(store, _functions()):
        with anyio.fail_after(60):
            while not await _read(store, store.keys.workers):  # noqa: ASYNC110  it beats there
                await anyio.sleep(0.02)
        assert await _read(store, store.keys.services) == {}
