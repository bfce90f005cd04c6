"""What the probes answer, as a pure function.

| request      | answer                                                                                |
|--------------|---------------------------------------------------------------------------------------|
| GET /live    | 200 while the worker lives, else 503: restart me                                      |
| GET /ready   | 200 while work is being taken, else 503: send me nothing, and here is why             |
| GET /metrics | 200, the Prometheus text format                                                       |
| GET other    | 404                                                                                   |
| not GET      | 405                                                                                   |

The answers of /live and /ready are JSON: {"service", "ok", "reasons", "in_flight", "last_cycle_age"}, age in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from joelclaw_contracts.redact import redact
from joelclaw_pod.worker_like import Health

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Page:
    """What /metrics shows: `render` makes it when somebody asks."""

    content_type: str
    render: Callable[[], bytes]


def answer(method: str, target: str, service: str, health: Health, metrics: Page) -> Answer:
    """The answer to one request. `target` may carry a query; it changes nothing."""
    if method != "GET":
        return failure(405, "GET only")
    match target.partition("?")[0]:
        case "/live":
            return _state(service, health, health.alive)
        case "/ready":
            return _state(service, health, health.ready)
        case "/metrics":
            return Answer(200, metrics.render(), metrics.content_type)
        case _:
            return failure(404, "there are /live, /ready and /metrics")


def failure(status: int, error: str) -> Answer:
    return Answer(status, json.dumps({"error": error}).encode())


def _state(service: str, health: Health, ok: bool) -> Answer:
    body = {
        "service": service,
        "ok": ok,
        "reasons": list(health.reasons),
        "in_flight": health.in_flight,
        "last_cycle_age": round(health.last_cycle_age, 3),
    }
    return Answer(200 if ok else 503, json.dumps(redact(body)).encode())
