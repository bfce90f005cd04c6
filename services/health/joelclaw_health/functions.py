"""What runs when.

| function                     | on                                                   | one at a time |
|------------------------------|------------------------------------------------------|---------------|
| system/check-system-health   | its schedule, `system/health.check.requested`, start | executing     |
| gateway/deliver.terminal     | `gateway/send.message` (older than its targets' name) |              |
| system/health.digest         | its schedule, daily                                  | executing     |

A round that leaves doubt (a sample that contradicts the verdict) looks again after a rest, so that a failure is
confirmed in a minute and not in three quarters of an hour. It rests parked, and holds no permit meanwhile.
"""

from __future__ import annotations

import logging

from joelclaw_bus import Backoff, Event, Functions, Step, Tick, cron, event
from joelclaw_bus.event import Failure
from joelclaw_contracts import Audit, EventModel, HealthCheckRequested, SendMessage
from joelclaw_healing import DEFAULT_CHANNEL
from joelclaw_health.alerting.delivery import Delivery
from joelclaw_health.alerting.letter import read_letter
from joelclaw_health.clinic import Clinic, Json
from joelclaw_health.opening import RoundWanted
from joelclaw_health.plan import CHECK_FUNCTION
from joelclaw_health.settings import DIGEST_FUNCTION

log = logging.getLogger(__name__)

PATIENCE = Backoff(base_ms=2_000, cap_ms=60_000)
"""Between two tries of a delivery: a minute and a half in all, then the terminal has it."""

DELIVER_FUNCTION = "gateway/deliver.terminal"


TRIES = 5


def functions_of(clinic: Clinic, delivery: Delivery) -> Functions:
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

    @functions.function(DELIVER_FUNCTION, on=[event(SendMessage)], retries=TRIES, backoff=PATIENCE)
    async def tell(e: Event[SendMessage], step: Step) -> dict[str, str]:
        letter, ends = read_letter(e.id, e.data), dict[str, str]()
        for outlet in delivery.outlets.of(e.data.channel):
            last = step.attempt >= TRIES
            ends[outlet.name] = await step.run(f"to-{outlet.name}", delivery.deliver, letter, outlet, last)
        return ends

    if settings.digest:

        @functions.function(DIGEST_FUNCTION, on=[cron(settings.digest)], concurrency=1, retries=2)
        async def daily(e: Event[Tick], step: Step) -> int:
            found: Json = await step.run("gather", clinic.gather, delivery.memory)
            for number, channel in enumerate(settings.who.channels or (DEFAULT_CHANNEL,)):
                message = SendMessage(channel=channel, text=found["text"], audit=Audit(producer=DIGEST_FUNCTION))
                await step.send_event(f"send-{number}", message, id=f"digest:{e.data.nominal_ms}:{channel}")
            await step.run("forget", delivery.memory.forget, found["ids"])
            return len(found["ids"])

    return functions


def _page(failure: Failure) -> list[EventModel]:
    """The check itself failed for good: silence would look like health."""
    text = f"{failure.function} failed for good: {failure.error[:600]}\nnothing was checked; see the run {failure.run}"
    return [SendMessage(channel=DEFAULT_CHANNEL, text=text, audit=Audit(producer=failure.function))]
