"""A refused configuration is one failing check, however many refuse it."""

from __future__ import annotations

from joelclaw_bus import Store
from joelclaw_health.probes.configuration import configuration
from joelclaw_health.registry import Beat, Registry
from tests.health.conftest import beat, checks, clinic_of, last_round, look

NOW = 1_000_000
HASH, OTHER = "a" * 64, "b" * 64


def alive(service: str, config: str = HASH, refused: str = "", age: int = 0) -> Beat:
    return Beat(service, NOW - age, 1000, 0.0, 0, frozenset(), service, config=config, refused=refused)


def test_one_configuration_everywhere_is_ok() -> None:
    found = configuration([alive("router"), alive("health")], now=NOW, silent_ms=5000)
    assert (found.outcome, found.value, found.reason) == ("ok", f"{HASH[:12]} health, router", "")


def test_different_ones_are_ok_and_worth_knowing() -> None:
    found = configuration([alive("router"), alive("health", OTHER)], now=NOW, silent_ms=5000)
    assert (found.outcome, found.value) == ("ok", f"{HASH[:12]} router; {OTHER[:12]} health")
    assert "different configurations" in found.reason


def test_a_refused_one_is_failing_and_says_who_and_why() -> None:
    found = configuration([alive("router", refused="x.json: a.b: is wrong"), alive("health")], now=NOW, silent_ms=5000)
    assert found.outcome == "failing"
    assert found.reason.startswith("router: the new one was refused")
    assert found.reason.endswith("x.json: a.b: is wrong")


def test_what_a_dead_worker_refused_does_not_count() -> None:
    found = configuration([alive("router", refused="bad", age=60_000), alive("health")], now=NOW, silent_ms=5000)
    assert found.outcome == "ok"


def test_without_a_teller_there_is_no_check() -> None:
    assert configuration([Beat("w", NOW, 1000, 0.0, 0, frozenset())], now=NOW, silent_ms=5000).value == "none is told"
    assert Registry(NOW).beats == ()


async def test_every_service_refusing_it_at_once_opens_one_alert_and_no_blindness(one_store: Store) -> None:
    clinic = clinic_of(one_store)
    for number in range(4):
        name = f"service-{number}"
        await beat(one_store, name, worker=name, config=HASH, configRefused="x.json: a.b: is wrong")
    for number in range(3):
        outcome = await look(clinic, f"round-{number}")
    assert outcome["turns"] == [["opened", "configuration", "configuration"]]
    assert (await checks(one_store))["configuration configuration"].state == "failing"
    assert not (await last_round(one_store)).blind
