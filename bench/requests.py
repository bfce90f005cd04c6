"""A healing request as any system sends it: what `decide` and `what_if` ask the router with."""

from __future__ import annotations

from typing import Any


def healing_request(domain: str, target: str) -> dict[str, Any]:
    return {
        "sourceFunction": "bench",
        "problemSummary": "it answers 502",
        "attempt": 0,
        "retryPolicy": {},
        "evidence": [],
        "playbook": {},
        "domain": domain,
        "targetComponent": target,
        "targetEventName": "system/health.check.requested",
    }
