"""One XADD by a bare client ends in one answer and one route event, whichever store call the router dies at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT
from tests.support.server import Server

pytestmark = pytest.mark.slow

REQUEST = "system/self.healing.requested"
ANSWER = "system/self.healing.completed"
ROUTE = "system/health.check.requested"
WIRE = {
    "sourceFunction": "test/watch",
    "targetComponent": "gateway",
    "problemSummary": "no acknowledgement for ten minutes",
    "attempt": 0,
    "retryPolicy": {},
    "evidence": ["gateway.log: no ack"],
    "playbook": {},
    "domain": "gateway-bridge",
    "targetEventName": ROUTE,
}
QUICK = {
    "SELF_HEALING_ROUTER_SLEEP_MIN_MS": "700",
    "SELF_HEALING_ROUTER_SLEEP_MAX_MS": "2000",
    "SELF_HEALING_ROUTER_SLEEP_STEP_MS": "100",
    "JOELCLAW_LEASE_MS": "1000",
}


WATCHES = (b"healing/incident.due", b"healing/storm.due")


class Suite:
    """A store and routers on it, as processes; and a bare client that knows nothing of the bus."""

    def __init__(self, server: Server, home: Path) -> None:
        self.server, self.home = server, home
        self.routers: list[subprocess.Popen[bytes]] = []

    def router(self, *dying: str) -> subprocess.Popen[bytes]:
        module = ["-m", "tests.support.dying_router", *dying] if dying else ["-m", "joelclaw_router"]
        environ = {**os.environ, **QUICK, "REDIS_URL": self.server.url, "HOME": str(self.home)}
        with (self.home / "router.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, *module], cwd=ROOT, env=environ, stdout=log, stderr=log)
        self.routers.append(process)
        return process

    def request(self, **changes: object) -> str:
        with self.server.client() as client:
            entry = client.execute_command("XADD", REQUEST, "*", "data", json.dumps({**WIRE, **changes}))
            return str(entry.decode())

    def read(self, stream: str) -> list[dict[str, Any]]:
        """A stream to its end."""
        with self.server.client() as client:
            client.response_callbacks.clear()
            rows = client.execute_command("XRANGE", stream, "-", "+")
        out = []
        for entry, flat in rows:
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            out.append({"entry": entry.decode(), "ms": int(entry.split(b"-")[0]), **json.loads(fields[b"data"])})
        return out

    def at_rest(self) -> bool:
        """Nothing waits and nothing is on its way: what can happen has happened."""
        with self.server.client() as client:
            client.response_callbacks.clear()
            # The incidents' slot is registered by the first heartbeat, which may be yet to come.
            for slot in {*client.execute_command("HKEYS", "{bus}:slots"), b"healing/incidents"}:
                tag = b"{" + slot + b"}:"
                # What is watched for an hour, in case nobody reports on its retry, is at rest all the same.
                kinds = (b"open", b"outbox") if slot in WATCHES else (b"open", b"due", b"outbox")
                waiting = [client.execute_command("ZCARD", tag + kind) for kind in kinds]
                if any(waiting):
                    return False
        return True

    def wait_for_rest(self, answers: int = 1, routed: int = 1) -> None:
        deadline = time.monotonic() + 90
        while not (self.at_rest() and len(self.read(ANSWER)) >= answers and len(self.read(ROUTE)) >= routed):
            if time.monotonic() > deadline:
                log = (self.home / "router.log").read_text()[-3000:]
                raise AssertionError(f"not at rest: {self.read(ANSWER)} {self.read(ROUTE)}\n{log}")
            time.sleep(0.05)

    def stop(self) -> None:
        for process in self.routers:
            process.kill()
            process.wait(10)


@pytest.fixture
def suite(own_server: Server, tmp_path: Path) -> Iterator[Suite]:
    started = Suite(own_server, tmp_path)
    yield started
    started.stop()


def expect_one_retry(suite: Suite, entry: str) -> None:
    answers, routed = suite.read(ANSWER), suite.read(ROUTE)
    assert [(a["status"], a["eventId"]) for a in answers] == [("scheduled", entry)]
    assert len(routed) == 1
    due = datetime.fromisoformat(answers[0]["dueAt"]).timestamp() * 1000
    assert routed[0]["ms"] >= due - 1, "no route event before its time"
    assert (routed[0]["attempt"], routed[0]["incidentId"]) == (1, answers[0]["incidentId"])


# What the issue names, in its words: the script after which everything is killed.
NAMED = {"begin": "begin", "decision journaled": "step", "outbox written": "move", "promoted": "promote"}


@pytest.mark.parametrize("point", NAMED)
def test_everything_killed_right_after(suite: Suite, point: str) -> None:
    entry = suite.request()
    assert suite.router(NAMED[point], "after", "1").wait(90) == -9
    suite.server.stop()
    suite.server.start()
    suite.router()
    suite.wait_for_rest()
    expect_one_retry(suite, entry)


CALLS = ["begin", "acquire", "move", "step", "park", "publish", "outbox_done", "release", "promote", "finish"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("script", CALLS)
def test_the_router_killed_at_each_store_call(suite: Suite, script: str, when: str) -> None:
    entry = suite.request()
    assert suite.router(script, when, "1").wait(90) == -9
    suite.router()
    suite.wait_for_rest()
    expect_one_retry(suite, entry)


def test_the_same_again_while_the_incident_is_open_joins(suite: Suite) -> None:
    first = suite.request()
    suite.router()
    while not suite.read(ANSWER):
        time.sleep(0.02)
    second = suite.request()
    suite.wait_for_rest(answers=2)
    answers = {a["eventId"]: a for a in suite.read(ANSWER)}
    joined, scheduled = answers[second], answers[first]
    assert (joined["status"], joined["reason"]) == ("noop", "joined")
    assert (joined["incidentId"], joined["dueAt"]) == (scheduled["incidentId"], scheduled["dueAt"])
    assert len(suite.read(ROUTE)) == 1


def test_without_a_route_it_is_blocked_and_a_person_hears_of_it(suite: Suite) -> None:
    entry = suite.request(targetEventName=None)
    suite.router()
    suite.wait_for_rest(routed=0)
    assert [(a["status"], a["eventId"]) for a in suite.read(ANSWER)] == [("blocked", entry)]
    assert len(suite.read("gateway/send.message")) == 1


BAD: dict[str, list[str | bytes]] = {
    "not JSON": ["data", "hello"],
    "wrong type": ["data", json.dumps({**WIRE, "attempt": "0"})],
    "missing field": ["data", json.dumps({k: v for k, v in WIRE.items() if k != "problemSummary"})],
    "2 MiB": ["data", json.dumps({**WIRE, "problemSummary": "x" * (2 << 20)})],
    "no UTF-8": ["data", b"\xff\xfe\x00"],
    "no data": ["payload", "{}"],
}
NAMES = {"wrong type": "attempt", "missing field": "problemSummary", "no data": "data"}


def test_what_does_not_validate_is_buried_once_answered_once_and_stops_nobody(suite: Suite) -> None:
    with suite.server.client() as client:
        bad = {client.execute_command("XADD", REQUEST, "*", *fields).decode(): kind for kind, fields in BAD.items()}
    good = suite.request()
    suite.router()
    suite.router()
    suite.wait_for_rest(answers=len(bad) + 1)
    answers = suite.read(ANSWER)
    assert sorted(a["eventId"] for a in answers if a["status"] == "invalid") == sorted(bad)
    assert [a["eventId"] for a in answers if a["status"] == "scheduled"] == [good]
    with suite.server.client() as client:
        client.response_callbacks.clear()
        letters = client.execute_command("XRANGE", f"{{{REQUEST}}}:dead", "-", "+")
    buried = [dict(zip(flat[::2], flat[1::2], strict=True)) for _, flat in letters]
    assert sorted(letter[b"e:entry"].decode() for letter in buried) == sorted(bad)
    for letter in buried:
        kind = bad[letter[b"e:entry"].decode()]
        assert NAMES.get(kind, "").encode() in letter[b"error"], kind
        assert len(b"".join(letter.values())) < 70_000
    evidence = [e for e in suite.read("otel/event") if "bur" in e["action"] or "invalid" in e["action"]]
    assert len(evidence) >= len(bad)
