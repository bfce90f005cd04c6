"""`joelclaw heal replay ID` and `joelclaw heal simulate --config FILE`: what was decided, and what would have been."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joelclaw_cli.answer import Answer
from joelclaw_cli.command import command
from joelclaw_cli.durations import DURATION
from joelclaw_cli.failures import NOT_FOUND, Failure
from joelclaw_cli.heal.found import judgement
from joelclaw_cli.place import Place
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.store import Store

MOST = 5_000
"""Incidents of one simulation; the newest."""


@command(
    "replay",
    store=True,
    examples=[("joelclaw heal replay inc-0123456789ab", "the same arguments must give the same decisions")],
)
@click.argument("incident_id", metavar="ID", type=WORD)
def replay(place: Place, incident_id: str) -> Answer:
    """Decide an incident again from its audit, and compare. Reads only; no act follows.

    The record itself is held against the incident's count of moves: a line that is missing, put in, swapped or not to
    be read is named. Ends with 1 when a decision differs (other code made it, or its record was altered), and when the
    record is not whole.
    """
    from joelclaw_healing import Ledger
    from joelclaw_healing.move_call import KEEP_AUDIT
    from joelclaw_healing.record import flaws

    again = judgement()
    incident, lines = place.run(lambda store: Ledger(store).show(incident_id))
    rows, wrong = again.replay(lines), flaws(lines, moves=incident.seq, kept=KEEP_AUDIT)
    if not rows and not wrong:
        raise Failure(
            "nothing_to_replay",
            f"incident {incident_id} records no judgement of the router",
            fix=f"see its timeline: joelclaw heal show {incident_id}",
        )
    same = sum(1 for row in rows if row["same"])

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import clock, good, shortened, table, warning

        told = (
            (
                clock(row["at"]),
                row["recorded"].get("rule", ""),
                row["again"].get("rule", ""),
                "identical" if row["same"] else shortened(", ".join(row["differs"]), 80),
            )
            for row in rows
        )
        yield table(("time", "recorded rule", "decided again", "verdict"), told, empty="")
        summary = f"{same} of {len(rows)} decisions are identical"
        yield good(summary) if same == len(rows) else warning(summary)
        for flaw in wrong:
            yield warning(f"the record: {flaw}")

    result = {"incident": incident_id, "decisions": rows, "identical": same, "total": len(rows), "flaws": wrong}
    trouble = _trouble(incident_id, len(rows) - same, len(rows), wrong)
    return Answer(result, view, ((f"joelclaw heal show {incident_id}", "its timeline"),), trouble)


def _trouble(incident_id: str, differ: int, total: int, wrong: list[str]) -> Failure | None:
    fix = f"joelclaw heal show {incident_id} has the lines; joelclaw otel search {incident_id} the evidence beside them"
    if wrong:
        more = f"; {differ} of {total} decisions differ" if differ else ""
        return Failure(
            "record_altered", f"the record of {incident_id} is not whole: {'; '.join(wrong[:5])}{more}", fix=fix
        )
    if differ:
        what = f"{differ} of {total} decisions of {incident_id} come out otherwise than recorded"
        return Failure("decisions_differ", what, fix=f"another version decided, or the record was altered: {fix}")
    return None


@command(
    "simulate",
    store=True,
    examples=[
        ("joelclaw heal simulate --config changed.json --since 30d", "before a change of policy is put in place")
    ],
)
@click.option(
    "--config",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The configuration file to try; variables of the environment stay stronger.",
)
@click.option("--since", type=DURATION, default="30d", show_default=True, help="Incidents opened within this.")
def simulate(place: Place, config: Path, since: int) -> Answer:
    """What another configuration would have decided, beside what was. Reads only; no act follows.

    The world is made from the record (docs/runbook.md says how): the decisions are the policy's own. Exits 3 when
    nothing was recorded within the window, and 1 when nothing of it can be simulated: neither means "no difference".
    """
    told = judgement().simulate(dict(os.environ), place.run(lambda s: _recorded(s, since)), str(config.absolute()))
    rows = told["incidents"]
    totals = {name: _total([row[name] for row in rows]) for name in ("recorded", "present", "changed")}

    trouble = None
    if not rows and told["unreadable"]:
        first = told["unreadable"][0]
        what = f"none of {len(told['unreadable'])} incidents can be simulated; {first['id']}: {first['why']}"
        trouble = Failure("nothing_simulated", what, fix=f"look at one: joelclaw heal show {first['id']}")
    elif not rows:
        what = "no incident was opened within the window, so nothing was compared"
        fix = "look further back (--since 90d), or see what there is: joelclaw heal list --closed"
        trouble = Failure("nothing_recorded", what, fix=fix, exit_code=NOT_FOUND)

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import clock, table, warning

        if trouble:
            yield warning(f"{trouble.message}; {trouble.fix}")
            return

        others = [row for row in rows if row["present"] != row["changed"]]
        lines = (
            (clock(r["opened_ms"]), f"{r['domain']} {r['target']}", _course(r["present"]), _course(r["changed"]))
            for r in others
        )
        yield table(("opened", "target", "as configured", "as changed"), lines, empty="no incident would differ")
        yield ""
        sums = ((name, *(str(totals[name][k]) for k in COUNTED), _minutes(totals[name])) for name in totals)
        yield table(("", *COUNTED, "mean recovery"), sums, empty="")
        yield f"{len(others)} of {len(rows)} incidents differ"
        yield f"as configured, the simulation retells {told['faithful']} of {len(rows)} as they were recorded"
        for bad in told["unreadable"]:
            yield f"left out: {bad['id']}: {bad['why']}"

    actions = (("joelclaw nas config show --effective", "what is in force"),)
    return Answer(told | {"totals": totals}, view, actions, trouble)


COUNTED = ("retries", "pauses", "pages", "recovered")


async def _recorded(store: Store, since_ms: int) -> list[dict[str, Any]]:
    from joelclaw_healing import Ledger

    ledger, now = Ledger(store), await store.time_ms()
    incidents = [i for i in await ledger.list_incidents(closed=True, limit=MOST) if i.opened_ms >= now - since_ms]
    return [
        {
            "id": i.id,
            "lines": (await ledger.show(i.id))[1],
            "closed_ms": i.closed_ms,
            "resolved": i.end == "resolved",
        }
        for i in incidents
    ]


def _total(courses: list[dict[str, Any]]) -> dict[str, Any]:
    healed = [c["recovery_ms"] for c in courses if c["recovery_ms"] is not None]
    counts: dict[str, Any] = {name: sum(c[name] for c in courses) for name in ("retries", "pauses", "pages")}
    return counts | {"recovered": len(healed), "mean_recovery_ms": round(sum(healed) / len(healed)) if healed else None}


def _course(course: dict[str, Any]) -> str:
    acts = f"{course['retries']} retries, {course['pauses']} pauses, {course['pages']} pages"
    if course["recovery_ms"] is None:
        return f"{acts}; {course['last_rule']}"
    return f"{acts}; well after {course['recovery_ms'] / 60_000:.1f} min"


def _minutes(total: dict[str, Any]) -> str:
    return f"{total['mean_recovery_ms'] / 60_000:.1f} min" if total["mean_recovery_ms"] is not None else "none"
