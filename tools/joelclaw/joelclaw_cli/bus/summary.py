"""An event in a line: what matters of those that the suite knows, in its order; all of the others, as it came."""

from __future__ import annotations

import re

from joelclaw_cli.render import clock, words

_REQUEST = ("targetComponent", "domain", "problemSummary", "attempt", "targetEventName")
_MATTERS: dict[str, tuple[str, ...]] = {
    "system/self.healing.requested": _REQUEST,
    "system/self.healing.completed": ("status", "dueAt", "rule", "targetComponent", "reason", "incidentId"),
    "system/backup.failure.detected": ("target", "error", "attempt", "targetFunctionId"),
    "system/health.check.requested": ("component", "mode", "source"),
    "gateway/send.message": ("channel", "text"),
    "otel/event": ("level", "action", "component", "error"),
}


def summary(name: str, data: object) -> str:
    """Its JSON is in `--json`; here is what an operator looks for."""
    if not isinstance(data, dict):
        return words(data)
    wanted = _MATTERS.get(name) or (_REQUEST if "nextAttempt" in data else ())
    known = {field: data[field] for field in wanted if data.get(field) not in (None, "")}
    if not known:
        return words(data)
    if moment := _moment(known.get("dueAt")):
        known["dueAt"] = moment
    return words(known, first=wanted)


def _moment(value: object) -> str:
    """An instant as a clock shows it; '' for what is none."""
    from datetime import datetime

    if not isinstance(value, str) or not re.match(r"[0-9]{4}-", value):
        return ""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return ""
    return clock(round(moment.timestamp() * 1000)) if moment.tzinfo else ""
