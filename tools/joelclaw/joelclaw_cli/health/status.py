"""`joelclaw health status`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.failures import USAGE, Failure
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.pauses import Pause
    from joelclaw_bus.store import Store
    from joelclaw_cli.health.picture import Picture

FUNCTION = "system/check-system-health"


@command(
    "status",
    store=True,
    examples=[("joelclaw health status", "exit code 0: all that is checked is well, and was looked at lately")],
)
def status(place: Place) -> Answer:
    """What the last checks found.

    A verdict that is older than twice the cadence is shown as unknown, never as ok. Exits 1 when something is failing,
    or when nobody looks: the checks are late, never ran, are paused, or their service is gone. Right after a start it
    says that the first check is under way: nothing is known yet, so that exits 1 too. Exits 2 when nothing is failing,
    and something is not known.
    """
    return answer(place.run(read))


async def read(store: Store) -> Picture:
    """The read model, and whether a health service is alive. StoreUnavailable, StoreRefused."""
    from joelclaw_bus.inspect.workers import list_workers
    from joelclaw_bus.pauses import read_pauses
    from joelclaw_cli.health.picture import picture
    from joelclaw_contracts.read_models import HEALTH_SLOT, HealthCheck, HealthRound

    slot = store.keys.slot(HEALTH_SLOT)
    rows, last = await store.calls([("HGETALL", slot.key("checks")), ("GET", slot.key("round"))])
    for reply in (rows, last):
        if isinstance(reply, Exception):
            raise reply
    checks, unreadable = dict[str, HealthCheck](), list[str]()
    for key, raw in zip(rows[::2], rows[1::2], strict=True):
        name = key.decode("utf-8", "backslashreplace")
        try:
            checks[name] = HealthCheck.model_validate_json(raw)
        except ValueError:  # anyone may write there
            unreadable.append(f"the verdict on {name}")
    round_: HealthRound | None = None
    try:
        round_ = HealthRound.model_validate_json(last) if last else None
    except ValueError:
        unreadable.append("the last round")
    now = await store.time_ms()
    pause = (await read_pauses(store))[0].get(FUNCTION)
    alive = [worker for worker in await list_workers(store) if worker.live and FUNCTION in worker.functions]
    since = min((worker.started_ms for worker in alive), default=None)
    paused = paused_by(pause, now) if pause and pause.holds(now) else ""
    return picture(checks, round_, now, since, paused=paused, unreadable=unreadable)


def paused_by(pause: Pause, now: int) -> str:
    """Who paused the check, since and until when, and why."""
    from joelclaw_bus.inspect.spans import clock, span

    ends = f"until {clock(pause.until_ms)}" if pause.until_ms else "until it is resumed"
    since = span(now - pause.since_ms)
    return f"the check is paused by {pause.owner} since {since}, {ends} ({pause.reason}): nobody looks"


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
    return Answer(result, view, actions, trouble_of(seen))


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
    if not trouble_of(seen):
        yield good("all that is checked is well")


def trouble_of(seen: Picture) -> Failure | None:
    """Why it is no success; None: all that is checked is well, and was looked at lately."""
    from joelclaw_cli.health.picture import UNDER_WAY

    if seen.failing:
        also = f"; {seen.findings[0]}" if seen.halted else ""
        done = "joelclaw heal list shows what is done about it"
        return Failure("unhealthy", f"failing: {', '.join(seen.failing)}{also}", fix=done)
    if seen.under_way:
        return Failure("first_check", UNDER_WAY, fix="ask again in a few seconds: joelclaw health status")
    if seen.halted.startswith("the check is paused"):
        return Failure("check_paused", seen.findings[0], fix=f"joelclaw bus resume {FUNCTION}, when the reason is over")
    if seen.halted or not seen.current:
        what = next(iter(seen.findings), "nothing was checked")
        return Failure("not_checked", what, fix="joelclaw up runs the service; joelclaw doctor says which workers live")
    if seen.unknown or not seen.lines:
        what = f"not known: {', '.join(seen.unknown)}" if seen.unknown else "the last round looked at nothing"
        fix = "joelclaw health check looks again; the table says why it is not known"
        return Failure("not_known", what, fix=fix, exit_code=USAGE)
    return None
