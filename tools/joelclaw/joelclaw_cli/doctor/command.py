"""`joelclaw doctor`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.failures import Failure
from joelclaw_cli.place import Place

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.doctor.check import Check
    from joelclaw_bus.store import Store


@command(
    "doctor",
    store=True,
    deployment=True,
    examples=[
        ("joelclaw doctor", "exit code 0 all well (warnings too), 1 findings, 2 it can't tell"),
        ("joelclaw doctor --durability replica", "against the level that your services run at"),
        ("joelclaw doctor --json", "the same for a program"),
    ],
)
def doctor(place: Place) -> Answer:
    """What weakens the bus here, or keeps its work from moving, and what to do.

    Looks at the server's settings and what they promise, clocks, groups, timers, outboxes, runs, workers, the kill
    switch, incidents that wait for a person, health, lost streams, the configurations in force and alerts, and changes
    nothing. What it can't read is `not known`, never well. Exits 0 when all is well (a warning alone is no finding), 1
    with findings, 2 when something is not known and nothing is found.
    """
    from joelclaw_bus.doctor.check import ordered
    from joelclaw_bus.doctor.examine import Doctor
    from joelclaw_cli.doctor import suite

    async def examine(store: Store) -> list[Check]:
        doctor = Doctor(store)
        found = await doctor.examine()
        return [*found, *(await suite.examine(store))] if doctor.reached else found

    checks = ordered([*place.run(examine), _alerts()])

    def view() -> Iterable[RenderableType]:
        return _draw(checks)

    counts = {s: sum(c.state == s for c in checks) for s in ("finding", "not known", "warning", "ok")}
    result = {"checks": [asdict(check) for check in checks], "counts": counts}
    actions = (("joelclaw bus explain RUN", "why one run isn't moving"), ("joelclaw health status", "what is well"))
    return Answer(result, view, actions, _trouble(checks))


def _alerts() -> Check:
    """Whether anybody can hear that something is wrong (by the configuration of this machine)."""
    from joelclaw_bus.doctor.check import Check
    from joelclaw_contracts import ContractError, load_config

    try:
        alerts = load_config(os.environ, home=Path.home()).alerts
    except ContractError as error:
        return Check(
            "not known", "alerts", f"the configuration can't be read: {error}", "mend it; services refuse it too"
        )
    if not any(alerts.owners.values()):
        what = "no alert target is configured: alerts go to the terminal of joelclaw up only"
        return Check("finding", "alerts", what, "set alerts.owners (and alerts.defaultOwner) in the configuration")
    if not alerts.channels(None):
        what = "targets without an owner alert nobody: alerts.defaultOwner is not set"
        return Check("warning", "alerts", what, "set alerts.defaultOwner")
    return Check("ok", "alerts", f"{len(alerts.owners)} owner(s) have channels")


def _trouble(checks: list[Check]) -> Failure | None:
    from joelclaw_bus.doctor.check import exit_code

    code = exit_code(checks)
    if not code:
        return None
    found = [c for c in checks if c.state == ("finding" if code == 1 else "not known")]
    first = f"{found[0].where}: {found[0].what}"
    what = f"{len(found)} findings, the first: {first}" if code == 1 else f"{len(found)} things are not known: {first}"
    return Failure("findings" if code == 1 else "not_known", what, fix=found[0].todo, exit_code=code)


def _draw(checks: list[Check]) -> Iterable[RenderableType]:
    from rich.table import Table

    from joelclaw_cli.render import good, state, text

    # Its own table: what to do must never be cut off, however narrow the screen is.
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("state", no_wrap=True)
    table.add_column("where", overflow="fold", max_width=32)
    table.add_column("what, and what to do", overflow="fold")
    for c in checks:
        table.add_row(state(c.state), text(c.where), text(f"{c.what}. → {c.todo}" if c.todo else c.what))
    yield table
    if not any(c.state in ("finding", "not known") for c in checks):
        yield good("nothing is wrong")
