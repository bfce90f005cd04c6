"""The loop, with the real router: failure → incident → retry → destination back → verified → incident closed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from joelclaw_backup.functions import functions_of
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.staging import StagedGone
from joelclaw_backup.telling import Speaker
from joelclaw_bus import Publisher, Store, StoreSettings, open_store
from joelclaw_bus.observer import RunEnded
from joelclaw_contracts import BackupRetryRequested, BackupRunRequested, Config, RetryDecision, RouterKnobs
from joelclaw_healing import Ledger
from tests.backup.conftest import settings_of
from tests.router.test_hook import COMPLETED, DETECTED, MESSAGE, OTEL, RETRY, read, routing
from tests.support.seen import Seen
from tests.support.server import Server
from tests.support.workers import working

pytestmark = pytest.mark.anyio
FUNCTION = "system/backup.redis"
SOON = Config(backup_router=RouterKnobs(max_retries=2, sleep_min_ms=400, sleep_max_ms=400, sleep_step_ms=1))


@pytest.fixture
async def store(one_server: Server) -> AsyncIterator[Store]:
    """The bus, which is also what is backed up."""
    with one_server.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    async with open_store(StoreSettings(one_server.url)) as opened:
        yield opened


@pytest.fixture
def backup(one_server: Server, nas: Path) -> RedisBackup:
    return RedisBackup(settings_of(one_server, nas))


def functions(store: Store, backup: RedisBackup):
    return functions_of(store, [(backup, Speaker(backup.settings, "test", "s1"))])


def retry(target: str = "redis", **more: Any) -> BackupRetryRequested:
    return BackupRetryRequested(
        target_function_id=f"system/backup.{target}",
        target=target,
        error="it failed",
        backup_failure_detected_at="2026-01-02T03:04:05Z",
        attempt=3,
        incident_id="inc-1",
        decision=RetryDecision(action="retry", delay_ms=0, reason="x", confidence=1.0, model="policy"),
        **more,
    )


async def ask(store: Store, id: str = "one") -> None:
    await Publisher(store).send(BackupRunRequested(target="redis", requested_by="joel"), id=id)


async def ended(seen: Seen, count: int = 1, status: str = "completed") -> list[RunEnded]:
    return await seen.wait(RunEnded, count, lambda f: f.function == FUNCTION and f.status == status)


async def on_stream(store: Store, stream: str, count: int = 1, where=lambda _: True) -> list[dict[str, Any]]:
    with anyio.fail_after(30):
        while len(found := [e for e in await read(store, stream) if where(e)]) < count:  # noqa: ASYNC110  the store tells nobody
            await anyio.sleep(0.02)
    return found


async def test_a_failed_run_tells_its_router_exactly_once_and_at_once(store, backup, nas):
    nas.rmdir()
    async with working(store, functions(store, backup)) as seen:
        await ask(store)
        await ended(seen, status="failed")
        told = await on_stream(store, DETECTED)
        evidence = await on_stream(store, OTEL)
        await ask(store)  # the same request again is the same run
        await ask(store, "two")
        await ended(seen, 2, status="failed")
    (first, second) = await read(store, DETECTED)
    assert told == [first]
    assert (first["failureClass"], first["attempt"], first["target"]) == ("unreachable", 0, "redis")
    assert (first["transportMode"], first["transportDestination"]) == ("local", str(nas))
    assert first["retryWindowHours"] == 4
    assert str(nas) in first["error"]
    assert second["context"]["run"] == f"{FUNCTION}:two"
    assert (evidence[0]["action"], evidence[0]["success"]) == ("system.backup.redis", True)


async def test_a_failed_retry_carries_the_incidents_first_failure_and_its_own_attempt(store, backup, nas):
    nas.rmdir()
    async with working(store, functions(store, backup)):
        await Publisher(store).send(retry(retry_window_hours=2.0))
        (told,) = await on_stream(store, DETECTED)
    assert (told["backupFailureDetectedAt"], told["attempt"]) == ("2026-01-02T03:04:05Z", 3)
    assert told["retryWindowHours"] == 2


async def test_a_retry_of_the_other_target_is_skipped(store, backup, nas):
    async with working(store, functions(store, backup)) as seen:
        await Publisher(store).send(retry("typesense"), id="other")
        await Publisher(store).send(retry(), id="ours")
        await ended(seen)
    outcomes = {f.run: f.status for f in seen.all(RunEnded)}
    assert outcomes == {f"{FUNCTION}:other": "skipped", f"{FUNCTION}:ours": "completed"}
    assert len([p for p in (nas / "backups/redis").iterdir() if not p.is_symlink()]) == 1
    assert await read(store, COMPLETED) == []
    assert [e["action"] for e in await read(store, OTEL)] == ["system.backup.redis"]


async def test_a_run_says_where_its_artefact_is(store, backup):
    async with working(store, functions(store, backup)) as seen:
        await ask(store)
        await ended(seen)
        raw = await store.call("HGET", store.keys.slot("backup/run.requested").run(f"{FUNCTION}:one"), "result")
        (evidence,) = await on_stream(store, OTEL)
    result = json.loads(raw)
    manifest = json.loads((Path(result["path"]) / "manifest.json").read_text())
    assert (result["outcome"], result["verified"]) == ("stored", True)
    assert manifest["files"][0]["sha256"] == result["sha256"]
    assert manifest["requestedBy"] == "joel"
    assert evidence["metadata"]["path"] == result["path"]
    assert evidence["metadata"]["transportMode"] == "local"


async def test_the_destination_comes_back_and_the_incident_is_closed(store, backup, nas):
    away = nas.rename(nas.with_name("away"))
    async with routing(store, SOON), working(store, functions(store, backup)) as seen:
        await ask(store)
        await on_stream(store, DETECTED)
        (opened,) = await _open(store, 1)
        await on_stream(store, RETRY)
        away.rename(nas)
        await ended(seen)
        (closing,) = await on_stream(store, COMPLETED, 1, lambda e: e["status"] == "remediated")
        assert await _open(store, 0) == []
    assert closing["incidentId"] == opened.id
    assert closing["targetComponent"] == "redis"
    assert "stored and verified" in closing["remediationDetail"]
    failed = await read(store, DETECTED)
    assert [f["attempt"] for f in failed] == list(range(len(failed)))
    assert len({f["backupFailureDetectedAt"] for f in failed}) == 1
    stored = [e for e in await read(store, OTEL) if e["metadata"].get("outcome") == "stored"]
    assert [e["metadata"]["incidentId"] for e in stored] == [opened.id]


async def test_the_destination_stays_away_and_a_person_hears_of_it_once(store, backup, nas):
    nas.rmdir()
    async with routing(store, SOON), working(store, functions(store, backup)):
        await ask(store)
        (last,) = await on_stream(store, COMPLETED, 1, lambda e: e["status"] == "exhausted")
        await on_stream(store, MESSAGE)
        await anyio.sleep(0.5)  # nothing more comes
    assert [f["attempt"] for f in await read(store, DETECTED)] == [0, 1, 2]
    assert len(await read(store, MESSAGE)) == 1
    assert last["incidentId"] == (await Ledger(store).queue())[0].id


async def _open(store: Store, count: int) -> list[Any]:
    with anyio.fail_after(30):
        while len(found := await Ledger(store).list_incidents()) != count:  # noqa: ASYNC110  the store tells nobody
            await anyio.sleep(0.02)
    return found


async def test_a_staged_dump_that_is_gone_is_taken_anew(store, backup, nas, monkeypatch):
    real, calls = RedisBackup.copy, []

    async def copy(self: RedisBackup, taken: Any) -> Any:
        calls.append(taken["staged"])
        if len(calls) == 1:
            raise StagedGone("its machine is gone")
        return await real(self, taken)

    monkeypatch.setattr(RedisBackup, "copy", copy)
    async with working(store, functions(store, backup)) as seen:
        await ask(store)
        (run,) = await ended(seen)
    assert len(set(calls)) == 2
    assert (run.status, len([p for p in (nas / "backups/redis").iterdir() if not p.is_symlink()])) == ("completed", 1)


async def test_a_surprise_is_the_engines_to_retry_and_then_the_routers_to_judge(store, backup, monkeypatch):
    async def copy(self: RedisBackup, taken: Any) -> Any:
        raise KeyError("a defect")

    monkeypatch.setattr(RedisBackup, "copy", copy)
    monkeypatch.setattr("joelclaw_bus.backoff.Backoff.delay_ms", lambda *_: 1)
    async with working(store, functions(store, backup)) as seen:
        await ask(store)
        await ended(seen, status="failed")
        (told,) = await on_stream(store, DETECTED)
    assert (told["failureClass"], told["context"]["classified"]) == ("unknown", False)
    assert "a defect" in told["error"]


async def test_an_older_copy_that_is_found_damaged_on_the_way_pages_though_the_backup_is_stored(store, backup, nas):
    async with working(store, functions(store, backup)) as seen:
        await ask(store, "older")
        (first,) = await ended(seen)
        dump = next(nas.glob("backups/redis/2*/dump.rdb"))
        dump.write_bytes(dump.read_bytes()[:-1] + b"x")
        await ask(store, "newer")
        await ended(seen, 2)
        evidence = await on_stream(store, OTEL, 2)
    assert first.status == "completed"
    good, bad = evidence
    assert (good["success"], good["metadata"]["rechecked"]["id"]) == (True, "")
    assert (bad["success"], bad["level"], bad["metadata"]["outcome"]) == (False, "error", "stored")
    assert dump.parent.name in bad["error"]
    assert "hash-differs" in bad["error"]
