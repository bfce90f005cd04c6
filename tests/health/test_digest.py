"""The one message a day, and the heartbeat to an address outside."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from joelclaw_bus import Store
from joelclaw_contracts import HealthRound
from joelclaw_healing import Incident, State
from joelclaw_health.alerting.digest import LONGEST, digest
from joelclaw_health.alerting.memory import Memory
from joelclaw_health.book import Book
from joelclaw_health.deadman import DeadMan
from joelclaw_pod.logs import setup_logs
from tests.health.conftest import clinic_of, last_round, look, settings_of
from tests.support.receiver import Receiver, receiver

INCIDENT = Incident("inc-1", "backup", "redis", State.ESCALATED, 1, 0, 0, problem="no space left", owner="ada")


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as here:
        yield here


def test_a_quiet_day_is_told_too() -> None:
    assert (
        "all is well" in digest({}, [], [], HealthRound(at_ms=1, run="r", cadence_ms=1, coverage=(), findings=())).text
    )


def test_the_digest_tells_who_is_waited_for_what_fails_and_what_was_kept_in_order() -> None:
    kept = {"b": {"at": 2, "text": "second\nline"}, "a": {"at": 1, "text": "first"}}
    text = digest(kept, [INCIDENT], ["store data-path"], None).text
    for part in ("waits for a person: 1", "inc-1 backup/redis: no space left", "failing: 1", "- store data-path"):
        assert part in text
    assert text.index("- first") < text.index("- second line")


def test_only_what_stands_in_the_digest_is_told_and_the_rest_waits_for_the_next_oldest_first() -> None:
    kept: dict[str, dict[str, Any]] = {f"id-{n}": {"at": n, "text": f"letter {n:03} " + "x" * 900} for n in range(60)}
    crowd, told = [INCIDENT] * 200, list[str]()
    while kept:
        made = digest(kept, crowd, [f"service-{n} heartbeat" for n in range(200)], None)
        assert len(made.text) <= LONGEST
        assert made.ids, "a long queue of another kind keeps nothing out for ever"
        for id, one in kept.items():
            assert (f"- {one['text'][:10]} " in made.text) == (id in made.ids)
        told += made.ids
        for id in made.ids:
            del kept[id]
    assert told == [f"id-{n}" for n in range(60)]


def test_what_fits_is_told_whole() -> None:
    made = digest({"a": {"at": 1, "text": "one"}}, [INCIDENT] * 60, [], None)
    assert (made.text.count("- inc-1"), made.ids, "more (see" in made.text) == (60, ["a"], False)


async def test_what_is_gathered_for_the_digest_stays_until_it_was_sent(one_store: Store) -> None:
    clinic, memory = clinic_of(one_store), Memory(one_store)
    await one_store.call("HSET", memory.slot.key("digest"), "inc-2:queued:1", json.dumps({"at": 1, "text": "later"}))
    for _ in range(2):
        found = await clinic.gather(memory)
        assert found["ids"] == ["inc-2:queued:1"]
        assert "- later" in found["text"]
    await memory.forget(found["ids"])
    assert (await clinic.gather(memory))["ids"] == []


async def beaten(deadman: DeadMan) -> bool:
    async with httpx.AsyncClient() as client:
        return await deadman.step(client)


async def test_the_heartbeat_vouches_for_current_rounds_only(one_store: Store, hook: Receiver) -> None:
    deadman = DeadMan(one_store, f"http://{hook.address}/ping/token", 60.0, lambda now: 10_000)
    assert not await beaten(deadman), "no round ever ended"
    await look(clinic_of(one_store), "r")
    assert await beaten(deadman)
    assert [(g.method, g.path) for g in hook.got] == [("GET", "/ping/token")]
    old = (await last_round(one_store)).model_copy(update={"at_ms": await one_store.time_ms() - 20_001})
    await one_store.call("SET", Book(one_store).slot.key("round"), json.dumps(old.to_wire()))
    assert not await beaten(deadman)
    assert len(hook.got) == 1


async def test_a_heartbeat_leaves_its_address_in_no_log(
    one_store: Store, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = logging.getLogger(), io.StringIO()
    level = root.level
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    try:
        setup_logs("health", "info", stream=out)
        deadman = DeadMan(one_store, f"http://{hook.address}/ping/token", 60.0, lambda now: 900_000)
        await look(clinic_of(one_store), "r")
        assert await beaten(deadman)
        hook.status = 404
        assert await beaten(deadman)
    finally:
        root.setLevel(level)
        logging.captureWarnings(False)
    assert "does not answer" in out.getvalue()
    assert "/ping/" not in out.getvalue()


async def test_a_switch_that_does_not_answer_is_a_failing_check_that_hides_its_address(
    one_store: Store, hook: Receiver
) -> None:
    deadman = DeadMan(one_store, f"http://{hook.address}/ping/token", 60.0, lambda now: 900_000)
    await look(clinic_of(one_store), "r")
    assert deadman.sample(1) == []
    hook.status = 404
    await beaten(deadman)
    (sample,) = deadman.sample(await one_store.time_ms())
    assert (sample.outcome, "404" in sample.reason, "token" in sample.reason) == ("failing", True, False)
    hook.status = 200
    await beaten(deadman)
    assert deadman.sample(await one_store.time_ms())[0].outcome == "ok"


async def test_off_is_said_in_the_coverage_table(one_store: Store) -> None:
    await look(clinic_of(one_store), "r")
    (row,) = [r for r in (await last_round(one_store)).coverage if r.condition == "outside"]
    assert (row.configured, "nobody outside would miss" in row.note) == (False, True)
    await look(clinic_of(one_store, settings_of(heartbeat_url="http://127.0.0.1:1/")), "s")
    (row,) = [r for r in (await last_round(one_store)).coverage if r.condition == "outside"]
    assert row.configured
