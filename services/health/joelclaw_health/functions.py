"""What runs when.

| function                     | on                                                   | one at a time |
|------------------------------|------------------------------------------------------|---------------|
| system/check-system-health   | its schedule, `system/health.check.requested`, start | executing     |
| gateway/deliver.terminal     | `gateway/send.message`                               |               |

A round that leaves doubt (a sample that contradicts the verdict) looks again after a rest, so that a failure is
confirmed in a minute and not in three quarters of an hour. It rests parked, and holds no permit meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from joelclaw_bus import Event, Functions, Step, Tick, cron, event
from joelclaw_bus.event import Failure
from joelclaw_contracts import Audit, EventModel, HealthCheckRequested, SendMessage
from joelclaw_healing import DEFAULT_CHANNEL
from joelclaw_health.clinic import Clinic, Json
from joelclaw_health.opening import RoundWanted
from joelclaw_health.plan import CHECK_FUNCTION

log = logging.getLogger(__name__)

DELIVER_FUNCTION = "gateway/deliver.terminal"


def functions_of(clinic: Clinic, deliver: Callable[[SendMessage], None]) -> Functions:
    """Health's functions."""
    functions, settings = Functions(), clinic.settings

    @functions.function(
        CHECK_FUNCTION,
        on=[cron(settings.schedule), event(HealthCheckRequested), event(RoundWanted)],
        concurrency=1,
        retries=1,
        on_failure=_page,
    )
    async def check(e: Event[HealthCheckRequested | RoundWanted | Tick], step: Step) -> Json:
        asked = e.data if isinstance(e.data, HealthCheckRequested) else HealthCheckRequested()
        component, full = asked.component or "", asked.component is None and asked.mode == "full"
        outcome: Json = {}
        for look in range(settings.looks):
            if look:
                await step.sleep(f"rest-{look}", settings.recheck)
            samples: list[Json] = await step.run(f"probe-{look}", clinic.probe, component, asked.mode)
            outcome = await step.run(f"judge-{look}", clinic.judge, step.run_id, look, samples, full)
            for number, (domain, name, detail) in enumerate(outcome["closings"]):
                closed: bool = await step.run(f"close-{look}-{number}", clinic.close, domain, name, detail)
                log.info("healing of %s is over", name, extra={"closed": closed})
            if not outcome["doubtful"]:
                break
        return outcome

    @functions.function(DELIVER_FUNCTION, on=[event(SendMessage)], retries=3)
    async def tell(e: Event[SendMessage], step: Step) -> None:
        del step  # none: a run without steps needs no record, and a repeated event id never reaches a handler
        deliver(e.data)

    return functions


def _page(failure: Failure) -> list[EventModel]:
    """The check itself failed for good: silence would look like health."""
    text = f"{failure.function} failed for good: {failure.error[:600]}\nnothing was checked; see the run {failure.run}"
    return [SendMessage(channel=DEFAULT_CHANNEL, text=text, audit=Audit(producer=failure.function))]
