"""`joelclaw health status`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.failures import Failure
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.store import Store
    from joelclaw_cli.health.picture import Picture

FUNCTION = "system/check-system-health"


@command(
    "status",
    store=True,
    examples=[("joelclaw health status", "exit code 0 if nothing is failing and the checks are current")],
)
def status(place: Place) -> Answer:
    """What the last checks found.

    A verdict that is older than twice the cadence is shown as unknown, never as ok. Exits 1 when something is failing,
    or when the checks themselves are late or never ran. Right after a start it says that the first check is under way:
    nothing is known yet, so that exits 1 too.
    """
    return answer(place.run(read))


async def read(store: Store) -> Picture:
    """The read model, and whether a health service is alive. StoreUnavailable, StoreRefused."""
    from joelclaw_bus.inspect.workers import list_workers
    from joelclaw_cli.health.picture import picture
    from joelclaw_contracts.read_models import HEALTH_SLOT, HealthCheck, HealthRound

    slot = store.keys.slot(HEALTH_SLOT)
    rows, last = await store.calls([("HGETALL", slot.key("checks")), ("GET", slot.key("round"))])
    for reply in (rows, last):
        if isinstance(reply, Exception):
            raise reply
    checks = {k.decode(): HealthCheck.model_validate_json(v) for k, v in zip(rows[::2], rows[1::2], strict=True)}
    alive = [worker for worker in await list_workers(store) if worker.live and FUNCTION in worker.functions]
    since = min((worker.started_ms for worker in alive), default=None)
    return picture(checks, HealthRound.model_validate_json(last) if last else None, await store.time_ms(), since)


def answer(seen: Picture) -> Answer:
    """The table for people, the same facts for programs."""

    def view() -> Iterable[RenderableType]:
        return draw(seen)

    result = {
        "current": seen.current,
        "at": seen.at_ms or None,
        "failing": seen.failing,
        "checks": [asdict(line) for line in seen.lines],
        "findings": list(seen.findings),
    }
    actions = (("joelclaw health check", "check now"), ("joelclaw heal list", "what is done about it"))
    return Answer(result, view, actions, _trouble(seen))


def draw(seen: Picture) -> Iterable[RenderableType]:
    from joelclaw_cli.health.picture import UNDER_WAY
    from joelclaw_cli.render import good, relative, state, table, warning

    rows = (
        (
            line.component,
            line.condition,
            state(line.state),
            relative(line.since_ms, seen.now),
            relative(line.checked_ms, seen.now),
            line.remediation,
            line.owner,
            "; ".join(part for part in (line.value, line.reason) if part),
        )
        for line in seen.lines
    )
    columns = ("component", "check", "state", "since", "checked", "remediation", "owner", "value")
    empty = UNDER_WAY if seen.under_way else "nothing was ever checked"
    yield table(columns, rows, empty=empty, drop=("owner", "checked", "since"))
    for finding in seen.findings:
        yield warning(f"finding: {finding}")
    if not _trouble(seen):
        yield good("nothing is failing")


def _trouble(seen: Picture) -> Failure | None:
    from joelclaw_cli.health.picture import UNDER_WAY

    if seen.failing:
        return Failure("unhealthy", f"failing: {', '.join(seen.failing)}", fix="the table says what is done about it")
    if seen.under_way:
        return Failure("first_check", UNDER_WAY, fix="ask again in a few seconds")
    if not seen.current:
        return Failure("not_checked", seen.findings[0], fix="joelclaw health check; joelclaw up runs the service")
    return None
