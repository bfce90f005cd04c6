"""`joelclaw health check`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.durations import DURATION
from joelclaw_cli.failures import Failure, nearest, not_found
from joelclaw_cli.health.status import FUNCTION, answer, read
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from joelclaw_bus.store import Store
    from joelclaw_cli.health.picture import Picture

LOOK = 0.1  # seconds


@command(
    "check",
    store=True,
    examples=[
        ("joelclaw health check", "everything, now"),
        ("joelclaw health check --component router", "one component"),
        ("joelclaw health check --mode signals", "what the streams and ages signal"),
    ],
)
@click.option("--component", help="This component only.")
@click.option("--mode", type=click.Choice(["core", "signals", "full"]), default="full", show_default=True, help="What.")
@click.option("--wait", "wait_ms", type=DURATION, default="30s", show_default=True, help="For the answer, at most.")
def check(place: Place, component: str | None, mode: str, wait_ms: int) -> Answer:
    """Check now, and show what was found.

    A failure is confirmed by further looks of the same run: this shows the first one.
    """

    async def ask(store: Store) -> Picture:
        import anyio

        from joelclaw_bus.publisher import Publisher
        from joelclaw_contracts import HealthCheckRequested
        from joelclaw_contracts.read_models import HEALTH_SLOT

        before = await read(store)
        _check_possible(before, component)
        wanted = {"component": component, "mode": mode, "source": "joelclaw"}
        request, event_id = HealthCheckRequested.from_wire(wanted), uuid.uuid4().hex
        await Publisher(store, source="joelclaw").send(request, id=event_id)
        done = store.keys.slot(HEALTH_SLOT).key("done", f"{FUNCTION}:{event_id}:0")
        with anyio.move_on_after(wait_ms / 1000):
            while not await store.call("EXISTS", done):  # noqa: ASYNC110  another process writes it
                await anyio.sleep(LOOK)
            return await read(store)
        raise Failure(
            "not_answered",
            f"no health service checked within {wait_ms / 1000:g} s",
            fix=f"joelclaw up runs it; joelclaw bus explain {FUNCTION}:{event_id} says why it has not",
        )

    return answer(place.run(ask))


def _check_possible(seen: Picture, component: str | None) -> None:
    """What nobody will answer is said at once, and what does not exist is never answered as well."""
    if seen.halted.startswith("the check is paused"):
        raise Failure("check_paused", seen.halted, fix=f"joelclaw bus resume {FUNCTION}, when the reason is over")
    known = sorted({line.component for line in seen.lines})
    if component and known and component not in known:
        raise not_found("component", f"{component}{nearest(component, known)}", look="joelclaw health status")
