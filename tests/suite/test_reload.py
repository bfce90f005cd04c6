"""`joelclaw nas config reload` on the whole suite, and what doctor and health say of a service that refused."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.suite.test_one_machine import Machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
SERVICES = {"router", "backup", "runtime-remediator", "health"}
QUICK = {"confirmations": 1, "closings": 1, "recheckMs": 100, "startGraceMs": 0}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / ".joelclaw").mkdir()
    machine = Machine(tmp_path)
    yield machine
    machine.close()


def write(machine: Machine, config: Any) -> None:
    (machine.folder / ".joelclaw" / "system-bus.config.json").write_text(json.dumps(config))


def of_configuration(machine: Machine) -> list[str]:
    checks = machine.joelclaw("doctor")["result"]["checks"]
    return [c["state"] for c in checks if c["where"] == "configuration"]


def failing(machine: Machine) -> list[str]:
    found: list[str] = machine.joelclaw("health", "status")["result"]["failing"]
    return found


def test_every_service_takes_the_new_one_and_a_refusal_is_seen_by_doctor_and_health(machine: Machine) -> None:
    machine.up().close()
    assert "finding: alerts go to this terminal only" in (machine.folder / "lines.txt").read_text()
    write(machine, {"health": QUICK, "budgets": {"actsPerDay": 6}})
    told = machine.joelclaw("nas", "config", "reload")
    assert told["ok"], told
    assert {row["service"] for row in told["result"]["services"]} == SERVICES
    assert all(row["inForce"] for row in told["result"]["services"])
    assert of_configuration(machine) == ["ok"]

    write(machine, {"budgets": {"actsPerDay": -6}})
    refused = machine.joelclaw("nas", "config", "reload")
    assert (refused["ok"], refused["error"]["code"]) == (False, "config_invalid")
    assert of_configuration(machine) == ["ok"], "nobody was told to read it"

    router = next(row["pid"] for row in told["result"]["services"] if row["service"] == "router")
    os.kill(router, signal.SIGHUP)
    machine.until(lambda: of_configuration(machine) == ["finding"])
    machine.until(lambda: "configuration configuration" in failing(machine))
    lines = (machine.folder / "lines.txt").read_text()
    assert "opened config/refused service=router" in lines

    write(machine, {"health": QUICK, "budgets": {"actsPerDay": 5}})
    assert machine.joelclaw("nas", "config", "reload")["ok"]
    machine.until(lambda: of_configuration(machine) == ["ok"])
    machine.until(lambda: "configuration configuration" not in failing(machine))
    lines = (machine.folder / "lines.txt").read_text()
    assert "resolved config/refused service=router" in lines
