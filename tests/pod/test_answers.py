from __future__ import annotations

import json

import pytest

from joelclaw_pod.answers import Page, answer
from joelclaw_pod.worker_like import Condition

METRICS = Page("text/plain", lambda: b"m 1\n")
WELL = Condition(ready=True)
STARTING = Condition(ready=False, reasons=("store redis://u:hunter2@h does not answer",))
DEAD = Condition(ready=False, alive=False, reasons=("the loop is stuck",))


@pytest.mark.parametrize(
    ("method", "target", "health", "status"),
    [
        ("GET", "/live", WELL, 200),
        ("GET", "/live", STARTING, 200),
        ("GET", "/live", DEAD, 503),
        ("GET", "/ready", WELL, 200),
        ("GET", "/ready?verbose", WELL, 200),
        ("GET", "/ready", STARTING, 503),
        ("GET", "/ready", DEAD, 503),
        ("GET", "/metrics", DEAD, 200),
        ("GET", "/", WELL, 404),
        ("GET", "/live/", WELL, 404),
        ("POST", "/live", WELL, 405),
        ("HEAD", "/live", WELL, 405),
    ],
)
def test_the_table_of_answers(method: str, target: str, health: Condition, status: int) -> None:
    assert answer(method, target, "router", health, METRICS).status == status


def test_a_red_answer_gives_its_reasons_without_secrets() -> None:
    body = json.loads(answer("GET", "/ready", "router", STARTING, METRICS).body)
    assert body["ok"] is False
    assert body["reasons"] == ["store redis://u:***@h does not answer"]
