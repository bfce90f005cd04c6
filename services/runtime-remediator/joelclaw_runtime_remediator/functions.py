"""What runs when.

| function                             | on                                                                    |
|--------------------------------------|-----------------------------------------------------------------------|
| system/self-healing.inngest-runtime  | its schedule, `system/inngest.runtime.health.requested`, requests for |
|                                      | healing of its domain (answered) and of all (not: the router's)       |
| system/self-healing.investigator     | its schedule, requests for its domain (answered) and of all           |
"""

from __future__ import annotations

from typing import Any

from joelclaw_bus import Event, Functions, Step, cron, event
from joelclaw_contracts import EventModel, HealingRequested, RuntimeHealthRequested, answer_invalid
from joelclaw_contracts.config import Schedules
from joelclaw_runtime_remediator.investigate import Investigator
from joelclaw_runtime_remediator.remedy import Remedy
from joelclaw_runtime_remediator.request import RUNTIME_DOMAIN, SDK_DOMAIN, Request, in_domain
from joelclaw_runtime_remediator.telling import on_failure

RUNTIME = "system/self-healing.inngest-runtime"
INVESTIGATOR = "system/self-healing.investigator"


def functions_of(remedy: Remedy, investigator: Investigator, schedules: Schedules) -> Functions:
    """The functions over these two."""
    # Whichever group reads an unreadable request first answers it; the bus lets one of them.
    functions = Functions(on_invalid={HealingRequested.event_name: _invalid})

    @functions.function(
        RUNTIME,
        on=[
            cron(schedules[RUNTIME]),
            event(RuntimeHealthRequested),
            event(HealingRequested, when=in_domain(RUNTIME_DOMAIN)),
        ],
        exclusive=1,
        retries=1,
        on_failure=on_failure,
    )
    async def heal_runtime(e: Event[Any], step: Step) -> dict[str, Any]:
        return await remedy.run(Request.of(e), step)

    @functions.function(
        INVESTIGATOR,
        on=[cron(schedules[INVESTIGATOR]), event(HealingRequested, when=in_domain(SDK_DOMAIN))],
        exclusive=1,
        retries=1,
        on_failure=on_failure,
    )
    async def investigate(e: Event[Any], step: Step) -> dict[str, Any]:
        return await investigator.run(Request.of(e), step)

    return functions


def _invalid(raw: bytes, error: Exception, event_id: str) -> list[EventModel]:
    answer = answer_invalid(HealingRequested.event_name, raw, error, event_id)
    return [answer] if answer else []
