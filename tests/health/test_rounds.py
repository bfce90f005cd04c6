"""Whole rounds on a real store: what is remembered, told, asked, and closed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joelclaw_backup.settings import destination_of as backups_destination
from joelclaw_bus import Store
from joelclaw_contracts import Config, HealingCompleted, HealingRequested
from joelclaw_contracts.config import Runtime
from joelclaw_healing import RUNTIME, Move, Report
from joelclaw_healing.lifecycle import reported
from joelclaw_health.book import Book
from joelclaw_health.clinic import BookContested
from joelclaw_health.coverage import RUNTIME_OWNER
from joelclaw_health.inventory import NO_URL
from joelclaw_health.probes.destination import Destination
from joelclaw_health.sample import Sample
from joelclaw_health.settings import NOBODY, read_settings
from joelclaw_router.eyes import Eyes
from tests.health.conftest import beat, checks, clinic_of, last_round, letters, look, settings_of
from tests.support.server import free_port


async def test_a_healthy_bus_is_ok_and_nobody_hears_of_it(store: Store) -> None:
    await beat(store, "router")
    outcome = await look(clinic_of(store), "r1")
    assert (outcome["failing"], outcome["doubtful"], outcome["turns"]) == ([], [], [])
    found = await checks(store)
    assert {k: c.state for k, c in found.items()} == {
        "store data-path": "ok",
        "store persistence": "ok",
        "router heartbeat": "ok",
        "router waiting": "ok",
    }
    assert await letters(store) == []


async def test_a_silent_service_is_opened_at_the_third_look_told_once_and_resolved_at_the_second_good_one(
    store: Store,
) -> None:
    clinic = clinic_of(store)
    await beat(store, "router")
    await look(clinic, "r0")
    await beat(store, "router", age_ms=90_000)
    for number in (1, 2):
        outcome = await look(clinic, f"r{number}")
        assert (outcome["turns"], outcome["doubtful"]) == ([], ["router heartbeat"])
    assert (await look(clinic, "r3"))["turns"] == [["opened", "router", "heartbeat"]]
    assert await letters(store) == ["health:router:heartbeat:opened:1"]
    for number in (4, 5):
        assert (await look(clinic, f"r{number}"))["turns"] == [], "once a transition, not once a round"
    await beat(store, "router")
    assert (await look(clinic, "r6"))["turns"] == []
    assert (await look(clinic, "r7"))["turns"] == [["resolved", "router", "heartbeat"]]
    assert await letters(store) == ["health:router:heartbeat:opened:1", "health:router:heartbeat:resolved:2"]


async def test_a_round_that_is_judged_again_changes_and_sends_nothing_more(store: Store) -> None:
    """The service dies between writing the round and recording the step: the step runs again."""
    clinic = clinic_of(store)
    await beat(store, "router", age_ms=90_000)
    for number in (1, 2):
        await look(clinic, f"r{number}")
    samples = await clinic.probe("", "full")
    first = await clinic.judge("r3", 0, samples, True)
    before = (await checks(store), await letters(store))
    assert await clinic.judge("r3", 0, samples, True) == first
    assert first["turns"] == [["opened", "router", "heartbeat"]]
    assert (await checks(store), await letters(store)) == before


async def test_a_round_that_another_overtook_is_judged_afresh_and_never_overwrites(store: Store) -> None:
    book = Book(store)
    old = await book.read()
    await look(clinic_of(store), "r1")
    kept = await last_round(store)
    written = await book.write(old, "late:0", checks=(), gone=(), round=kept, letters=(), outcome={})
    assert written is None


async def test_a_healer_that_is_registered_is_asked_once_and_its_incident_is_closed(store: Store) -> None:
    await store.call("HSET", store.keys.functions, RUNTIME_OWNER, "{}")
    await beat(store, "remediator", functions=[RUNTIME_OWNER])
    clinic = clinic_of(store)
    await beat(store, "router", worker="w2", age_ms=90_000)
    for number in range(4):
        await look(clinic, f"r{number}")
    assert "health:router:heartbeat:request:1" in await letters(store)
    assert (await checks(store))["router heartbeat"].asked
    await beat(store, "router", worker="w2")
    await look(clinic, "r5")
    outcome = await look(clinic, "r6")
    assert [c[:2] for c in outcome["closings"]] == [["inngest-runtime", "router"]]
    assert await clinic.close(*outcome["closings"][0]) is False, "its owner opened no incident"


async def test_as_its_observer_health_closes_the_incident_once_and_says_remediated(store: Store) -> None:
    clinic = clinic_of(store)
    seen = await clinic.ledger.look("inngest-runtime", "router")
    incident = reported(None, Report("e1", "inngest-runtime", "router", seen.now, problem="silent"), seen.now)
    await clinic.ledger.make(seen, Move("open", outcome={}, audit={"what": "opened"}, after=incident))
    assert await clinic.close("inngest-runtime", "router", "heartbeat: 0.1 s ago") is True
    assert await clinic.close("inngest-runtime", "router", "heartbeat: 0.1 s ago") is False
    found, _ = await clinic.ledger.show(incident.id)
    assert (found.end, found.closed_by) == ("resolved", "system/check-system-health")
    items = await store.call("HVALS", clinic.ledger.slot.outbox_items)
    closings = [raw for raw in items if b"remediated" in raw and HealingCompleted.event_name.encode() in raw]
    assert len(closings) == 1
    assert incident.id.encode() in closings[0]


async def test_when_everything_fails_at_once_nothing_is_asked_and_one_alert_goes_out(store: Store) -> None:
    await store.call("HSET", store.keys.functions, RUNTIME_OWNER, "{}")
    for number, name in enumerate(("router", "backup", "remediator")):
        own = {"functions": [RUNTIME_OWNER]} if name == "remediator" else {}
        await beat(store, name, worker=f"w{number}", age_ms=90_000, **own)
    clinic = clinic_of(store)
    for number in range(5):
        await look(clinic, f"r{number}")
    assert await letters(store) == ["health:health:blindness:opened:1"]
    assert (await last_round(store)).blind


async def test_when_no_canary_answers_the_healer_suspects_itself_until_one_does(one_store: Store) -> None:
    """Also through a look at one component alone, and whatever the dead-man's address says."""
    nobody = clinic_of(one_store, settings_of(canaries=("127.0.0.1:1", "localhost:1")))
    await look(nobody, "r0")
    assert "cut off" in (await last_round(one_store)).doubt
    await nobody.judge("r1", 0, await nobody.probe("bus", "full"), False)
    assert (await last_round(one_store)).blind, "who looks at one component sees no better"
    assert "canary" in await Eyes(one_store)(await one_store.time_ms())
    port = one_store.address.shown.rpartition(":")[2].partition("/")[0]
    missed = Sample("health", "outside", "failing", 1, "", "it answers 503")
    some = replace(
        nobody, settings=settings_of(canaries=("127.0.0.1:1", f"127.0.0.1:{port}"), heartbeat_url="http://x")
    )
    some = replace(some, outside=lambda now: [replace(missed, at_ms=now)])
    await look(some, "r2")
    assert (await last_round(one_store)).blind is False, "another's outage is not ours"
    alone = replace(some, settings=settings_of(heartbeat_url="http://x"))
    await look(alone, "r3")
    assert (await last_round(one_store)).doubt == "it answers 503", "it is the only canary there is"


async def test_what_is_not_configured_is_not_red_and_has_one_line_in_coverage(store: Store, tmp_path: Path) -> None:
    config = Config.model_validate({"backup": {"destination": {"kind": "mount"}}})
    clinic = clinic_of(store, read_settings(config, tmp_path))
    await look(clinic, "r1")
    rows = {(r.component, r.condition): r for r in (await last_round(store)).coverage}
    for line in (("destination", "destination"), ("backup redis", "artefact"), ("runtime", "readiness")):
        assert not rows[line].configured
        assert rows[line].note.startswith("not configured")
    assert not [k for k in await checks(store) if k.startswith(("destination", "backup", "runtime"))]


async def test_a_runtime_that_is_down_is_asked_to_be_healed_by_its_owner(store: Store) -> None:
    await store.call("HSET", store.keys.functions, RUNTIME_OWNER, "{}")
    await beat(store, "remediator", functions=[RUNTIME_OWNER])
    down = Runtime(url=f"http://127.0.0.1:{free_port()}")
    clinic = clinic_of(store, settings_of(runtime=down))
    for number in range(3):
        await look(clinic, f"r{number}")
    assert await letters(store) == ["health:runtime:readiness:opened:1", "health:runtime:readiness:request:1"]
    raw = await store.call("HGET", Book(store).slot.outbox_items, "health:runtime:readiness:request:1")
    asked = HealingRequested.model_validate_json(json.loads(raw)["data"])
    target = (RUNTIME.domain, RUNTIME.name, RUNTIME_OWNER)
    assert (asked.domain, asked.target_component, asked.route_to_function) == target


async def test_a_runtime_without_an_address_is_not_asked_and_says_why(store: Store) -> None:
    await look(clinic_of(store, settings_of(runtime=Runtime(command=("run",)))), "r1")
    (row,) = [r for r in (await last_round(store)).coverage if r.component == "runtime"]
    assert (row.configured, row.note) == (False, NO_URL)


async def test_a_backup_directory_on_the_same_disk_is_checked_and_called_so(store: Store, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, timeout=20.0, free_mb=0)
    await look(clinic_of(store, settings), "r1")
    (row,) = [r for r in (await last_round(store)).coverage if r.condition == "destination"]
    assert (row.component, row.configured, row.note) == ("destination/local", True, "same disk")
    assert (await checks(store))["destination/local destination"].state == "ok"


async def test_the_state_directory_may_be_missing_until_the_first_backup_makes_it(store: Store, tmp_path: Path) -> None:
    await look(clinic_of(store, settings_of(tmp_path / "none", timeout=20.0)), "r1")
    check = (await checks(store))["destination/local destination"]
    assert (check.state, check.value) == ("ok", "nothing was kept there yet")
    assert not (tmp_path / "none").exists()


PLACES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a path": {"backup": {"destination": {"path": "/srv/copies"}}},
    "a mount": {"backup": {"destination": {"path": "/srv/copies", "kind": "mount", "tier": "nvme"}}},
    "a NAS": {"transport": {"nas": {}}},
    "the fast NAS": {"transport": {"nas": {"nvmeRoot": "/fast"}}, "backup": {"destination": {"tier": "nvme"}}},
    "a NAS, not used": {"transport": {"nas": {}}, "backup": {"destination": {"kind": "directory"}}},
}


@pytest.mark.parametrize("place", PLACES)
def test_health_watches_the_place_that_the_backup_service_writes_to(place: str, tmp_path: Path) -> None:
    config = Config.model_validate(PLACES[place])
    written = backups_destination(config, tmp_path)
    (watched,) = read_settings(config, tmp_path).destinations
    assert (watched.path, watched.note) == (str(written.root), written.label)
    assert watched.kind == ("ours" if written.ours else written.kind)


async def test_a_destination_that_goes_is_failing_and_comes_back(store: Store, tmp_path: Path) -> None:
    there = Destination("destination/d", "directory", str(tmp_path / "d"))
    clinic = clinic_of(store, settings_of(destinations=(there,), timeout=20.0, free_mb=0))
    for number in range(3):
        await look(clinic, f"r{number}")
    assert (await checks(store))["destination/d destination"].state == "failing"
    (tmp_path / "d").mkdir()
    for number in range(3, 5):
        await look(clinic, f"r{number}")
    assert (await checks(store))["destination/d destination"].state == "ok"


async def test_a_component_that_is_retired_is_checked_no_more_and_listed_as_switched_off(store: Store) -> None:
    await beat(store, "router", age_ms=90_000)
    for number in range(3):
        await look(clinic_of(store), f"r{number}")
    off = settings_of(retired=frozenset({"router"}), findings=("router is switched off: health.retired names it",))
    await look(clinic_of(store, off), "r4")
    assert not [k for k in await checks(store) if k.startswith("router")]
    assert "health:router:heartbeat:resolved:2" in await letters(store)
    rows = [r for r in (await last_round(store)).coverage if r.component == "router"]
    assert rows
    assert not any(r.configured for r in rows)


async def test_nobody_to_alert_and_checks_that_never_ran_are_findings(store: Store) -> None:
    await beat(store, "router")
    clinic = clinic_of(store)
    await clinic.judge("r1", 0, await clinic.probe("store", "full"), False)
    findings = (await last_round(store)).findings
    assert NOBODY in findings
    assert "router heartbeat has never been checked" in findings


@pytest.mark.parametrize(
    ("component", "mode", "keys"),
    [
        ("router", "full", ["router heartbeat", "router waiting"]),
        ("", "signals", ["router waiting"]),
        ("", "core", ["router heartbeat", "store data-path", "store persistence"]),
    ],
)
async def test_a_round_can_be_about_one_component_or_one_part(
    store: Store, component: str, mode: str, keys: list[str]
) -> None:
    await beat(store, "router")
    samples = await clinic_of(store).probe(component, mode)  # type: ignore[arg-type]  # a word
    assert sorted(f"{s['component']} {s['condition']}" for s in samples) == keys


async def test_the_round_says_how_far_apart_rounds_are(store: Store) -> None:
    await look(clinic_of(store), "r1")
    assert (await last_round(store)).cadence_ms == 15 * 60_000


async def test_each_round_leaves_one_piece_of_evidence(store: Store) -> None:
    await look(clinic_of(store), "r1")
    flat = await store.call("HGETALL", Book(store).slot.outbox_items)
    (item,) = [json.loads(raw) for raw in flat[1::2]]
    told = json.loads(item["data"]) if "data" in item else item
    assert "system.health.checked" in json.dumps(told)


def test_a_book_that_moves_on_at_every_look_is_a_fault_with_a_sentence() -> None:
    assert "try again" in str(BookContested())
