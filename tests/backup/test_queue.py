"""Two ways to the NAS, and a queue for when neither is open: with a real worker, the real router and a real sshd."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from joelclaw_backup import draining, waiting_sets
from joelclaw_backup.clock import now_ms
from joelclaw_backup.destination import Destination
from joelclaw_backup.functions import functions_of
from joelclaw_backup.manifest import Manifest
from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_backup.switch import Patience, Rule
from joelclaw_backup.telling import Speaker
from joelclaw_backup.travel import Travel
from joelclaw_backup.waiting_sets import note, put, retry_soon, take_away, waiting
from joelclaw_bus import Store, StoreSettings, open_store
from joelclaw_contracts.config import SENTINEL
from joelclaw_healing import Ledger
from tests.backup.conftest import settings_of
from tests.backup.test_functions import DETECTED, FUNCTION, OTEL, SOON, ask, ended, on_stream, read, routing
from tests.support.server import Server
from tests.support.sshd import Sshd
from tests.support.workers import working

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    server = Sshd(tmp_path_factory.mktemp("sshd")).start()
    yield server
    server.stop()


@pytest.fixture
async def store(one_server: Server) -> AsyncIterator[Store]:
    with one_server.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    async with open_store(StoreSettings(one_server.url)) as opened:
        yield opened


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """The root on the NAS itself; `nas` is where its share is here."""
    root = tmp_path / "far"
    root.mkdir()
    (root / SENTINEL).touch()
    return root


@pytest.fixture
def backup(one_server: Server, nas: Path, far: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> RedisBackup:
    monkeypatch.setattr(draining, "EVERY_MINUTE", "* * * * * *")  # every second
    remote = Destination("ssh", far, ssh=sshd.options())
    queue = Destination("directory", nas.parent / "state/backup-queue", ours=True)
    return RedisBackup(settings_of(one_server, nas, travel=Travel(remote, patience=Patience(4, 20, 40), queue=queue)))


def differently(backup: RedisBackup, **travel: Any) -> RedisBackup:
    return replace(backup, settings=replace(backup.settings, travel=replace(backup.settings.travel, **travel)))


def functions(store: Store, backup: RedisBackup):
    return functions_of(store, [(backup, Speaker(backup.settings, "test", "s1"))])


def sets(root: Path) -> list[str]:
    return [p.name for p in (root / "backups/redis").glob("2*")] if root.exists() else []


async def result_of(store: Store, run: str) -> dict[str, Any]:
    """Once it has ended."""
    record = store.keys.slot("backup/run.requested").run(f"{FUNCTION}:{run}")
    with anyio.fail_after(60):
        while not (raw := await store.call("HGET", record, "result")):  # noqa: ASYNC110  the store tells nobody
            await anyio.sleep(0.02)
    told: dict[str, Any] = json.loads(raw)
    return told


async def switches(store: Store, count: int) -> list[tuple[str, str, str | None]]:
    """(rule, the mode that failed, the mode that is next) of each that left evidence of its own."""
    found = await on_stream(store, OTEL, count, lambda e: "failedMode" in e["metadata"])
    rows = [e["metadata"] for e in found]
    return [(row["rule"], row["failedMode"], row.get("transportMode")) for row in rows]


async def until(there) -> None:
    with anyio.fail_after(60):
        while not there():  # noqa: ASYNC110  a directory sets no event
            await anyio.sleep(0.02)


async def test_the_local_root_is_used_first_and_ssh_where_it_is_preferred(store, backup, nas, far):
    async with working(store, functions(store, backup)) as seen:
        await ask(store)
        await ended(seen)
    assert (len(sets(nas)), sets(far)) == (1, [])
    preferring = differently(backup, prefer_remote=True)
    async with working(store, functions(store, preferring)) as seen:
        await ask(store, "two")
        await ended(seen)
    assert (len(sets(nas)), len(sets(far))) == (1, 1)
    told = await result_of(store, "two")
    assert (told["transportMode"], told["transportRules"]) == ("remote", ["preferred-way"])
    assert told["path"].startswith("root@127.0.0.1:")


async def test_when_the_local_root_is_gone_ssh_is_used_in_the_same_run(store, backup, nas, far):
    nas.rmdir()
    async with working(store, functions(store, backup)) as seen:
        await ask(store)
        await ended(seen)
    told = await result_of(store, "one")
    assert (told["outcome"], told["transportMode"], told["transportAttempts"]) == ("stored", "remote", 2)
    assert told["transportRules"] == ["preferred-way", "other-way"]
    [(rule, failed, mode)] = await switches(store, 1)
    assert (rule, failed, mode) == ("other-way", "local", "remote")
    assert sets(far) == [told["id"]]
    assert await read(store, DETECTED) == []


async def test_a_wait_is_a_parked_run_and_the_way_that_comes_back_is_used(store, backup, nas, far):
    away, gone = nas.rename(nas.with_name("away")), far.rename(far.with_name("gone"))
    backup = differently(backup, patience=Patience(100, 200, 200))
    async with working(store, functions(store, backup)) as seen:
        await ask(store)
        run = store.keys.slot("backup/run.requested").run(f"{FUNCTION}:one")
        with anyio.fail_after(60):
            while not any(f.startswith(b"step:wait") or b"wait-" in f for f in (await store.call("HKEYS", run))):  # noqa: ASYNC110  the store tells nobody
                await anyio.sleep(0.02)
        away.rename(nas)
        await ended(seen)
    gone.rename(far)
    told = await result_of(store, "one")
    assert (told["outcome"], told["transportMode"]) == ("stored", "local")
    assert Rule.AGAIN in told["transportRules"]
    rules = told["transportRules"][1:]
    assert [rule for rule, _, _ in await switches(store, len(rules))] == rules, "each once, in order"


async def test_both_out_is_deferred_held_open_drained_once_and_closed(store, backup, nas, far):
    away, gone = nas.rename(nas.with_name("away")), far.rename(far.with_name("gone"))
    async with routing(store, SOON), working(store, functions(store, backup)) as seen:
        await ask(store)
        await ended(seen)
        told = await result_of(store, "one")
        assert (told["outcome"], told["transportMode"], told["transportAttempts"]) == ("deferred", "queued", 4)
        (detected,) = await on_stream(store, DETECTED)
        assert (detected["failureClass"], detected["transportMode"]) == ("deferred", "queued")
        await until(lambda: [e.record.tries for e in waiting(backup.settings.travel.queue)] > [0])
        with anyio.fail_after(30):
            while not (opened := await Ledger(store).list_incidents()):  # noqa: ASYNC110  the store tells nobody
                await anyio.sleep(0.02)
        gone.rename(far)
        await until(lambda: not waiting(backup.settings.travel.queue))
        with anyio.fail_after(30):
            while await Ledger(store).list_incidents():  # noqa: ASYNC110  the store tells nobody
                await anyio.sleep(0.02)
    ours = [e for e in await read(store, OTEL) if e["source"] == "backup"]
    assert [e["metadata"]["outcome"] for e in ours if e["id"].endswith(":deferred")] == ["deferred"]
    assert sets(far) == [told["id"]], "exactly once, and only where a way was open"
    away.rename(nas)
    assert sets(nas) == []
    assert len(opened) == 1
    closed, _ = await Ledger(store).show(opened[0].id)
    assert closed.is_over
    assert len(await read(store, DETECTED)) == 1, "no retry was asked for, and none failed"
    stored = [e for e in await read(store, OTEL) if e["metadata"].get("transportRules") == ["drained"]]
    assert [e["metadata"]["id"] for e in stored] == [told["id"]]


async def test_at_the_byte_cap_the_new_one_fails_and_what_waits_stays(store, backup, nas, far):
    nas.rmdir()
    far.rename(far.with_name("gone"))
    async with working(store, functions(store, backup)) as seen:
        await ask(store)
        await ended(seen)
    (kept,) = waiting(backup.settings.travel.queue)
    full = differently(backup, queue_cap=kept.bytes + 10)
    async with working(store, functions(store, full)) as seen:
        await ask(store, "two")
        await ended(seen, status="failed")
        (told,) = await on_stream(store, DETECTED, 1, lambda e: e["failureClass"] != "deferred")
    assert told["failureClass"] == "byte-cap-reached"
    assert [e.id for e in waiting(backup.settings.travel.queue)] == [kept.id]


async def test_a_set_that_differs_is_tried_ever_more_rarely_told_once_per_try_and_holds_up_nobody(
    store, backup, nas, far, monkeypatch
):
    away, gone = nas.rename(nas.with_name("away")), far.rename(far.with_name("gone"))
    queue = backup.settings.travel.queue
    async with working(store, functions(store, backup)) as seen:
        await ask(store)
        await ended(seen)
    (spoilt,) = waiting(queue)
    dump = queue.root / "backups/redis" / spoilt.id / "dump.rdb"
    raw = bytearray(dump.read_bytes())
    raw[len(raw) // 2] ^= 1
    dump.write_bytes(raw)
    patient = differently(backup, patience=Patience(1, 20, 40))
    async with working(store, functions(store, patient)) as seen:
        await ask(store, "two")
        await ended(seen)
    good = next(entry.id for entry in waiting(queue) if entry.id != spoilt.id)
    away.rename(nas)
    gone.rename(far)

    def left() -> tuple[str, int]:
        (entry,) = [entry for entry in waiting(queue) if entry.id == spoilt.id]
        return entry.record.failure, entry.record.tries_of_data

    minutes, ticks = 0, list[int]()
    monkeypatch.setattr(draining, "now_ms", lambda: ticks.append(minutes) or now_ms() + minutes * 60_000)
    async with working(store, functions(store, backup)):
        await until(lambda: good in sets(nas) and left() == ("hash-differs", 1))
        before = len(ticks)
        await until(lambda: len(ticks) >= before + 3)
        assert left() == ("hash-differs", 1), "three more ticks, and nobody looked at it"
        minutes = 3
        await until(lambda: left() == ("hash-differs", 2))
        retry_soon(queue, waiting(queue)[0])  # as a person asks who knows better than the clock
        await until(lambda: left() == ("hash-differs", 3))
    told = [e for e in await read(store, OTEL) if e["metadata"].get("failureClass") == "hash-differs"]
    assert [e["metadata"]["id"] for e in told] == [spoilt.id] * 3
    assert [entry.id for entry in waiting(queue)] == [spoilt.id], "and nothing was dropped"
    assert spoilt.id not in sets(nas)


async def test_a_changed_host_key_is_asked_once_pages_and_the_set_waits(store, backup, nas, far, sshd, tmp_path):
    nas.rmdir()
    wrong = tmp_path / "known"
    other = Sshd(tmp_path / "other")
    kind, key, *_ = (other.folder / "host_key.pub").read_text().split()
    wrong.write_text(f"[127.0.0.1]:{sshd.port} {kind} {key}\n")
    remote = replace(backup.settings.travel.remote, ssh=sshd.options(UserKnownHostsFile=str(wrong)))
    changed = differently(backup, remote=remote, patience=Patience(6, 1, 1))
    async with working(store, functions(store, changed)) as seen:
        await ask(store)
        await ended(seen)
        (told,) = await on_stream(store, OTEL, 1, lambda e: e["metadata"].get("outcome") == "deferred")
    assert (told["success"], told["level"]) == (False, "error")
    assert "host key" in told["error"]
    assert told["metadata"]["transportAttempts"] == 6
    assert len(waiting(backup.settings.travel.queue)) == 1


async def test_where_both_ways_are_shut_for_good_the_run_fails_at_once(store, backup, nas, far, sshd, tmp_path):
    (tmp_path / "none").touch()
    remote = replace(backup.settings.travel.remote, ssh=sshd.options(UserKnownHostsFile=str(tmp_path / "none")))
    full = replace(backup.settings.destination, reserve=1 << 60)
    shut = differently(backup, remote=remote).going_to(full)
    async with working(store, functions(store, shut)) as seen:
        await ask(store)
        await ended(seen, status="failed")
        (told,) = await on_stream(store, DETECTED)
    assert (told["failureClass"], told["transportAttempts"]) == ("host-key-unknown", 2)
    assert waiting(backup.settings.travel.queue) == []


class TestTheDirectory:
    async def staged(self, backup: RedisBackup, run: str) -> Any:
        return await backup.take(run, 0, "", 1_795_000_000_000)

    async def test_a_set_is_moved_in_whole_and_once(self, backup, one_server):
        settings, taken = backup.settings, await self.staged(backup, "r")
        manifest = Manifest.of(taken["manifest"])
        for _ in range(2):
            told = put(settings.staging, taken["staged"], settings.travel.queue, manifest, 1 << 30)
        (entry,) = waiting(settings.travel.queue)
        assert (entry.id, entry.manifest, entry.target) == (manifest.id, manifest, "redis")
        assert told == {"queuedAt": entry.record.queued_at, "bytes": entry.bytes, "queuedBytes": entry.bytes}
        assert not list((settings.staging.root / "backups/redis").iterdir())
        note(settings.travel.queue, entry, "timeout", "it hung")
        (noted,) = waiting(settings.travel.queue)
        assert (noted.record.tries, noted.record.failure, noted.since_ms) == (1, "timeout", entry.since_ms)
        take_away(settings.travel.queue, "redis", entry.id)
        take_away(settings.travel.queue, "redis", entry.id)
        assert waiting(settings.travel.queue) == []

    async def test_tries_of_the_data_are_counted_until_a_way_fails_and_an_older_record_is_read(self, backup):
        settings, taken = backup.settings, await self.staged(backup, "r")
        queue, manifest = settings.travel.queue, Manifest.of(taken["manifest"])
        put(settings.staging, taken["staged"], queue, manifest, 1 << 30)
        counted = []
        for failure, of_data in (("hash-differs", True), ("hash-differs", True), ("timeout", False)):
            note(queue, waiting(queue)[0], failure, "so it was", of_data=of_data)
            counted.append(waiting(queue)[0].record.tries_of_data)
        assert counted == [1, 2, 0]
        assert waiting(queue)[0].record.tries == 3
        older = {"id": manifest.id, "queuedAt": "2026-11-20T01:00:00.000Z", "tries": 7, "failure": "", "detail": ""}
        (queue.root / "backups/redis" / manifest.id / "queued.json").write_text(json.dumps(older))
        record = waiting(queue)[0].record
        assert (record.queued_at, record.tries, record.tries_of_data) == (older["queuedAt"], 7, 0)

    async def test_what_can_not_be_read_is_told_and_counts(self, backup):
        settings, taken = backup.settings, await self.staged(backup, "r")
        manifest = Manifest.of(taken["manifest"])
        put(settings.staging, taken["staged"], settings.travel.queue, manifest, 1 << 30)
        folder = settings.travel.queue.root / "backups/redis" / manifest.id
        (folder / "manifest.json").write_text("{")
        (folder / "queued.json").unlink()
        (entry,) = waiting(settings.travel.queue)
        assert (entry.manifest, entry.record.failure) == (None, "unreadable")
        assert entry.bytes >= manifest.bytes
        assert entry.since_ms > 0


async def test_a_process_that_dies_while_it_takes_a_set_away_leaves_none_that_waits(backup, monkeypatch):
    taken = await backup.take("r", 0, "", 1_795_000_000_000)
    queue, manifest = backup.keeping.travel.queue, Manifest.of(taken["manifest"])
    put(backup.keeping.staging, taken["staged"], queue, manifest, 1 << 40)

    def die(name: str, folder: Any, at: Any) -> int:
        folder.unlink("manifest.json")
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting_sets, "remove", die)
    with pytest.raises(KeyboardInterrupt):
        take_away(queue, "redis", manifest.id)
    monkeypatch.undo()
    assert waiting(queue) == [], "half of it would wait for a person for ever"
    again = await backup.take("r", 1, "", 1_795_000_060_000)
    put(backup.keeping.staging, again["staged"], queue, Manifest.of(again["manifest"]), 1 << 40)
    assert [p.name for p in (queue.root / "backups/redis").iterdir()] == [again["manifest"]["id"]], "and is swept"
