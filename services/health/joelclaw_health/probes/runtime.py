"""The configured runtime: whether it answers 2xx where it is ready. Silence is unknown, which restarts nothing."""

from __future__ import annotations

from joelclaw_contracts import Outcome
from joelclaw_healing import RUNTIME
from joelclaw_healing.http_probe import Http, ask
from joelclaw_health.sample import Sample

COMPONENT, CONDITION = RUNTIME.name, "readiness"
_OUTCOMES: dict[Http, Outcome] = {Http.OK: "ok", Http.REFUSED: "failing", Http.WRONG: "failing"}


async def runtime(url: str, *, now: int, timeout: float) -> Sample:
    """One sample."""
    http, told = await ask(url, timeout)
    outcome = _OUTCOMES.get(http, "unknown")
    return Sample(COMPONENT, CONDITION, outcome, now, told if outcome == "ok" else http.value,
                  "" if outcome == "ok" else told)  # fmt: skip
