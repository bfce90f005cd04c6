"""SIGHUP to the real router: decisions record the hash in force, and a running incident keeps its drawn decision."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import redis

from joelclaw_contracts import load_config
from tests.router.conftest import HEALING
from tests.router.test_main import Router, hoped, read
from tests.support.server import Server

pytestmark = pytest.mark.slow
HELD = 4_000
BEFORE = {"selfHealing": {"router": {"sleepMinMs": HELD, "sleepMaxMs": HELD, "sleepStepMs": 1}}}
AFTER = {"selfHealing": {"router": {"sleepMinMs": 7, "sleepMaxMs": 9, "sleepStepMs": 1}}}
ANSWERS, ROUTED = "system/self.healing.completed", "system/health.check.requested"


def hash_of(config: Any, folder: Path) -> str:
    file = folder / "only-hashed.json"
    file.write_text(json.dumps(config))
    return load_config({"JOELCLAW_CONFIG": str(file)}, home=folder).hash


def decided(client: redis.Redis) -> dict[str, str]:
    """The hash that each decision's evidence records, by incident."""
    found = {}
    for record in read(client, "otel/event"):
        about = record["metadata"]
        if record["action"] == "system.self-healing.router" and about.get("configHash"):
            found.setdefault(about["incidentId"], about["configHash"])
    return found


def test_a_running_incident_keeps_its_decision_and_the_next_is_judged_by_the_new_configuration(
    own_server: Server, tmp_path: Path
) -> None:
    router = Router(own_server.url, tmp_path, BEFORE)
    config = Path(router.env["JOELCLAW_CONFIG"])
    router.start()
    router.wait_ready()
    assert router.process
    with own_server.client() as client:

        def ask(target: str) -> dict[str, Any]:
            client.xadd("system/self.healing.requested", {"data": json.dumps({**HEALING, "targetComponent": target})})
            hoped(lambda: [a for a in read(client, ANSWERS) if a["targetComponent"] == target], f"answered {target}")
            (answer,) = (a for a in read(client, ANSWERS) if a["targetComponent"] == target)
            return answer

        running = ask("running")
        assert (running["status"], running["delayMs"]) == ("scheduled", HELD)
        config.write_text(json.dumps(AFTER))
        router.process.send_signal(signal.SIGHUP)
        new = hash_of(AFTER, tmp_path)
        hoped(lambda: any(r["action"] == "config.reloaded" for r in read(client, "otel/event")), "reloaded")
        following = ask("next")
        assert 7 <= following["delayMs"] <= 9
        hoped(lambda: len(read(client, ROUTED)) == 2, "routed")
        (kept,) = (r for r in read(client, ROUTED) if r["targetComponent"] == "running")
        assert kept["decision"]["delayMs"] == HELD
        assert len([a for a in read(client, ANSWERS) if a["targetComponent"] == "running"]) == 1, "not drawn again"
        hoped(lambda: len(decided(client)) == 2, "on the evidence stream")
        assert decided(client) == {running["incidentId"]: hash_of(BEFORE, tmp_path), following["incidentId"]: new}
    router.kill()
