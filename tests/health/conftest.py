"""Real parts for health's tests: HTTP servers, workers as processes, a round on a real store."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from joelclaw_bus import Store, StoreSettings, open_store
from joelclaw_contracts import Config, HealthCheck, HealthRound
from joelclaw_healing import Ledger, Voice
from joelclaw_health.book import Book
from joelclaw_health.clinic import Clinic
from joelclaw_health.judge import Thresholds
from joelclaw_health.settings import Settings, read_settings
from tests.support.server import Server

QUICK = Thresholds(confirmations=3, closings=2, gap_ms=0, grace_ms=0)


def settings_of(state_dir: Path | None = None, **more: Any) -> Settings:
    """Quick ones. Without `state_dir` no place of backups is looked at."""
    read = read_settings(Config(), state_dir or Path("/nowhere"))
    read = read if state_dir else replace(read, destinations=())
    base = replace(read, thresholds=QUICK, recheck=0.0, timeout=20.0, silent_ms=60_000)
    return replace(base, **more)


def clinic_of(store: Store, settings: Settings | None = None) -> Clinic:
    return Clinic(store, settings or settings_of(), Book(store), Ledger(store), Voice("health"))


async def look(clinic: Clinic, name: str) -> dict[str, Any]:
    """One whole look: probe, judge, write down."""
    await anyio.sleep(0.002)  # a look is at another millisecond than the one before it
    return await clinic.judge(name, 0, await clinic.probe("", "full"), True)


async def checks(store: Store) -> dict[str, HealthCheck]:
    return (await Book(store).read()).checks


async def last_round(store: Store) -> HealthRound:
    return HealthRound.model_validate_json(await store.call("GET", Book(store).slot.key("round")))


async def letters(store: Store) -> list[str]:
    """The ids of what waits in the book's outbox, evidence apart."""
    ids = [i.decode() for i in await store.call("HKEYS", Book(store).slot.outbox_items)]
    return sorted(i for i in ids if not i.startswith("evidence:"))


async def beat(store: Store, service: str, *, age_ms: int = 0, http: str = "", worker: str = "w1", **more: Any) -> None:
    """A heartbeat as a worker writes it."""
    at = await store.time_ms() - age_ms
    about = {"service": service, "http": http, "functions": [f"{service}/work"], **more}
    text = json.dumps({"at": at, "everyMs": 1000, "cycleAge": 0.1, "inHand": 0, **about})
    await store.call("HSET", store.keys.workers, worker, text)
    await store.call("HSET", store.keys.services, service, json.dumps({"at": at, **about}))


@pytest.fixture
async def one_store(one_server: Server) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(one_server.url)) as opened:
        yield opened


@asynccontextmanager
async def answering(reply: bytes | None) -> AsyncIterator[str]:
    """A real local HTTP server that answers this (None: never) to everyone; its address."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            if reply is None:
                await anyio.sleep_forever()
            else:
                await stream.send(reply)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        tasks.cancel_scope.cancel()
