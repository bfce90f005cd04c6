"""Backups are judged by the newest verified artefact: its age, its size, and that it is there at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joelclaw_backup.redis_backup import RedisBackup
from joelclaw_bus import Store
from joelclaw_contracts import Config
from joelclaw_health import settings as health_settings
from joelclaw_health.book import Book
from joelclaw_health.inventory import NO_BACKUPS, NO_PROVIDER, NONE_YET
from joelclaw_health.probes.artefact import SINCE, Shelf, judged
from joelclaw_health.probes.shelf import newest
from joelclaw_health.settings import read_settings
from tests.backup.conftest import AT_ONCE, back_up
from tests.backup.conftest import settings_of as backup_settings
from tests.health.conftest import checks, clinic_of, last_round, letters, look, settings_of
from tests.support.server import Server

HOUR = 3_600_000
DAY = 24 * HOUR
NOW = 1_795_000_000_000
SHELF = Shelf("redis", "system/backup.redis", "30 3 * * *")
MIB = 1024 * 1024


def seen(*rows: tuple[int, int], first_ran: int = 30 * DAY, known: bool = True) -> tuple[str, str, str] | None:
    """rows: (age in ms, bytes), the newest first."""
    told = [{"verifiedMs": NOW - age, "bytes": size} for age, size in rows]
    found = judged(SHELF, told, now=NOW, since=NOW - first_ran, born=0, known=known)
    return (found[0].outcome, found[0].value, found[0].reason) if found else None


def test_a_fresh_verified_artefact_is_ok_and_says_its_age_and_size() -> None:
    assert seen((6 * HOUR, 12 * MIB)) == ("ok", "6.0 h old, 12.0 MiB", "")


@pytest.mark.parametrize(("age", "outcome"), [(2 * DAY, "ok"), (2 * DAY + 1, "failing")])
def test_older_than_two_periods_of_its_schedule_is_failing(age: int, outcome: str) -> None:
    assert (seen((age, MIB)) or "")[0] == outcome


@pytest.mark.parametrize(
    ("before", "after", "jumps"),
    [
        (MIB, 4 * MIB, True),
        (4 * MIB, MIB, True),
        (MIB, 4 * MIB - 1, False),
        (MIB, 0, True),
        (100, 60_000, False),
        (100, 70_000, True),
    ],
)
def test_a_size_that_jumps_is_a_finding_and_no_failure(before: int, after: int, jumps: bool) -> None:
    outcome, _, reason = seen((HOUR, after), (DAY, before)) or ("", "", "")
    assert (outcome, "jumped" in reason) == ("ok", jumps)


def test_none_yet_is_nothing_until_the_first_period_is_over_and_then_it_fails() -> None:
    assert seen(first_ran=DAY, known=False) is None
    outcome, _, reason = seen(first_ran=2 * DAY, known=False) or ("", "", "")
    assert (outcome, reason) == ("failing", "no verified backup: none in the 48.0 h that it is configured")


def test_one_that_was_there_and_is_gone_fails_at_once() -> None:
    assert (seen(first_ran=HOUR, known=True) or "")[0] == "failing"


def test_copies_that_are_not_to_be_relied_on_are_a_finding_whatever_the_newest_is() -> None:
    drill = {"at": "2026-01-01T00:00:00.000Z", "verdict": "verified", "restoreMs": 12}
    told = [{"verifiedMs": NOW - HOUR, "bytes": MIB, "lastDrill": drill}]
    doubtful = {"damaged": 1, "unknown": 2}
    (sample,) = judged(SHELF, told, now=NOW, since=0, born=0, known=True, doubtful=doubtful)
    assert (sample.outcome, sample.value) == ("ok", "1.0 h old, 1.0 MiB, last drill verified in 12 ms")
    assert sample.reason == "not to be relied on: 1 damaged, 2 unknown (joelclaw backup list)"
    (none,) = judged(SHELF, [], now=NOW, since=0, born=0, known=True, doubtful=doubtful)
    assert (none.outcome, "1 damaged" in none.reason) == ("failing", True)


def test_what_waits_in_the_queue_is_a_finding_with_its_age_and_size() -> None:
    told = [{"verifiedMs": NOW - HOUR, "bytes": MIB, "lastDrill": None}]
    queued = {"count": 2, "bytes": 3 * MIB, "oldestMs": 5 * HOUR}
    (sample,) = judged(SHELF, told, now=NOW, since=0, born=0, known=True, queued=queued)
    waits = "2 waiting in the queue, 3.0 MiB, the oldest for 5.0 h (joelclaw backup queue)"
    assert (sample.outcome, sample.reason) == ("ok", waits)
    (none,) = judged(SHELF, [], now=NOW, since=0, born=0, known=True, queued=queued)
    assert (none.outcome, waits in none.reason) == ("failing", True)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "source", aof=False, options=AT_ONCE)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configured destination of this test's environment."""
    root, config = tmp_path / "copies", tmp_path / "config.json"
    root.mkdir()
    config.write_text(json.dumps({"backup": {"destination": {"path": str(root)}}}))
    for name, value in {"JOELCLAW_CONFIG": config, "JOELCLAW_STATE_DIR": tmp_path / "state", "HOME": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    return root


def patient(**more: Any) -> Any:
    return settings_of(timeout=20.0, shelves=(SHELF,), **more)


async def row_of(store: Store) -> tuple[bool, str]:
    (row,) = [r for r in (await last_round(store)).coverage if r.condition == "artefact"]
    return row.configured, row.note


async def test_only_a_verified_artefact_makes_it_green_and_its_loss_is_told_once(
    store: Store, source: Server, place: Path
) -> None:
    clinic = clinic_of(store, patient())
    await look(clinic, "r0")
    assert await row_of(store) == (False, NO_BACKUPS)
    await store.call("HSET", store.keys.slots, SINCE, await store.time_ms())
    await look(clinic, "r1")
    assert await row_of(store) == (False, NONE_YET), "the service runs, and nothing is green by that"
    assert "backup redis artefact" not in await checks(store)

    now = await store.time_ms()
    *_, published = await back_up(RedisBackup(backup_settings(source, place)), at_ms=now)
    await look(clinic, "r2")
    check = (await checks(store))["backup redis artefact"]
    assert (check.state, check.value.startswith("0.0 h old, ")) == ("ok", True)
    assert await row_of(store) == (True, "")

    verified = Path(published["path"]) / "verified.json"
    verified.unlink()  # it is there, and nobody says that it is good
    for number in range(3, 6):
        await look(clinic, f"r{number}")
    assert (await checks(store))["backup redis artefact"].state == "failing"
    assert await letters(store) == ["health:backup redis:artefact:opened:1"]


async def test_a_target_that_is_first_configured_on_an_old_bus_is_due_a_period_later_and_not_at_once(
    store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told(*words: str, timeout: float) -> dict[str, Any]:
        return {"newest": [], "doubtful": {}}

    monkeypatch.setattr("joelclaw_health.probes.artefact.ask", told)
    late = Shelf("typesense", "system/backup.typesense", SHELF.schedule)
    configured = settings_of(timeout=20.0, shelves=(late,))
    firsts = Book(store).slot.key("firsts")
    await store.call("HSET", store.keys.slots, SINCE, await store.time_ms() - 30 * DAY)
    await look(clinic_of(store, configured), "before")
    assert await store.call("EXISTS", firsts) == 0, "nobody makes these backups yet"
    await store.call("HSET", store.keys.functions, late.function, "{}")
    await look(clinic_of(store, configured), "r1")
    assert late.component not in " ".join(await checks(store))
    assert await row_of(store) == (False, NONE_YET)
    noted = await store.call("HGET", firsts, late.component)
    await look(clinic_of(store, configured), "r2")
    assert await store.call("HGET", firsts, late.component) == noted, "another process counts from the same moment"

    await store.call("HSET", firsts, late.component, int(noted) - 2 * DAY)
    for number in range(3, 6):
        await look(clinic_of(store, configured), f"r{number}")
    assert (await checks(store))[f"{late.component} artefact"].state == "failing"


async def test_the_bus_s_own_data_are_overdue_by_the_service_s_first_start(
    store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told(*words: str, timeout: float) -> dict[str, Any]:
        return {"newest": [], "doubtful": {}}

    monkeypatch.setattr("joelclaw_health.probes.artefact.ask", told)
    await store.call("HSET", store.keys.slots, SINCE, await store.time_ms() - 30 * DAY)
    assert [s["outcome"] for s in await clinic_of(store, patient()).probe("backup redis", "signals")] == ["failing"]


async def test_a_store_that_takes_no_writes_makes_nothing_overdue_and_costs_no_look(store: Store) -> None:
    await store.call("CONFIG", "SET", "maxmemory", 1)
    try:
        assert await Book(store).firsts(["backup typesense"], NOW) == {"backup typesense": NOW}
    finally:
        await store.call("CONFIG", "SET", "maxmemory", 0)
    assert await Book(store).firsts(["backup typesense"], NOW + 1) == {"backup typesense": NOW + 1}
    assert await Book(store).firsts(["backup typesense"], NOW + 2) == {"backup typesense": NOW + 1}


async def test_a_size_that_jumped_is_among_the_findings_of_the_round(
    store: Store, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told(*words: str, timeout: float) -> dict[str, Any]:
        now = await store.time_ms()
        return {
            "newest": [{"verifiedMs": now, "bytes": 9 * MIB}, {"verifiedMs": now - DAY, "bytes": MIB}],
            "doubtful": {},
        }

    monkeypatch.setattr("joelclaw_health.probes.artefact.ask", told)
    await store.call("HSET", store.keys.slots, SINCE, await store.time_ms())
    await look(clinic_of(store, patient()), "r1")
    assert (await checks(store))["backup redis artefact"].state == "ok"
    assert any("backup redis: its size jumped from 1.0 MiB to 9.0 MiB" in f for f in (await last_round(store)).findings)


async def test_a_shelf_that_does_not_answer_is_unknown(store: Store, place: Path) -> None:
    await store.call("HSET", store.keys.slots, SINCE, await store.time_ms())
    clinic = clinic_of(store, settings_of(timeout=0.001, shelves=(SHELF,)))
    samples = await clinic.probe("backup redis", "signals")
    assert [(s["outcome"], "did not answer" in s["reason"]) for s in samples] == [("unknown", True)]


async def test_a_shelf_that_answered_late_once_is_none_yet_again_and_nothing_is_gone(store: Store, place: Path) -> None:
    await store.call("HSET", store.keys.slots, SINCE, await store.time_ms())
    for number in range(3):
        await look(clinic_of(store, settings_of(timeout=0.001, shelves=(SHELF,))), f"late{number}")
    assert (await checks(store))["backup redis artefact"].state == "unknown"
    await look(clinic_of(store, patient()), "r1")
    assert "backup redis artefact" not in await checks(store)
    assert await row_of(store) == (False, NONE_YET)


def test_a_shelf_that_is_gone_can_not_be_told(place: Path, tmp_path: Path) -> None:
    environ = {"JOELCLAW_CONFIG": str(tmp_path / "config.json"), "HOME": str(tmp_path)}
    assert newest("redis", environ) == {"newest": [], "doubtful": {}, "queued": {"count": 0, "bytes": 0, "oldestMs": 0}}
    shutil.rmtree(place)
    assert "error" in newest("redis", environ)


async def test_without_the_backup_service_beside_it_coverage_says_so_in_one_line(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = read_settings(Config(), tmp_path).shelves
    assert first == replace(SHELF, schedule=Config().schedules[SHELF.function])
    assert (second.target, second.function) == ("typesense", "system/backup.typesense")
    monkeypatch.setattr(health_settings, "is_installed", lambda: False)
    assert read_settings(Config(), tmp_path).shelves == ()
    await look(clinic_of(store, settings_of()), "r1")
    assert await row_of(store) == (False, NO_PROVIDER)
