"""`joelclaw heal list` and `joelclaw heal show ID`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import click

from joelclaw_cli.answer import Answer, Next
from joelclaw_cli.command import command
from joelclaw_cli.place import Place
from joelclaw_cli.words import WORD

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joelclaw_bus.store import Store
    from joelclaw_healing import Incident, KillSwitch, PauseReason


@command(
    "list",
    store=True,
    examples=[
        ("joelclaw heal list", "what is not closed"),
        ("joelclaw heal list --queue", "what waits for a person"),
        ("joelclaw heal list --closed", "also what is over"),
    ],
)
@click.option("--closed", is_flag=True, help="Closed ones too.")
@click.option("--queue", is_flag=True, help="Only what waits for a person, longest waiting first.")
@click.option("--members", is_flag=True, help="The members of a storm too.")
@click.option("--limit", type=click.IntRange(1, 5000), default=200, show_default=True, help="At most so many.")
def list_incidents(place: Place, closed: bool, queue: bool, members: bool, limit: int) -> Answer:
    """What is broken, and what is done about it.

    What waits for a person comes first, then the newest. A storm stands for its members.
    """
    from joelclaw_healing import STORM, Ledger

    async def look(store: Store) -> tuple[list[Incident], int, KillSwitch | None, tuple[PauseReason, ...], int]:
        ledger = Ledger(store)
        if queue:
            waiting = await ledger.queue()
            found, total = waiting[:limit], len(waiting)
        else:
            found, total = await ledger.overview(closed=closed, limit=limit)
        return found, total, await ledger.switch(), await ledger.pauses(), await store.time_ms()

    found, total, switch, pauses, now = place.run(look)
    stormy = {i.target for i in found if i.domain == STORM and not i.is_over}
    inside = [] if members or queue else [i for i in found if i.domain != STORM and (i.group or i.domain) in stormy]
    shown = [i for i in found if i not in inside]

    def view() -> Iterable[RenderableType]:
        from joelclaw_cli.render import part, relative, shortened, table, warning
        from joelclaw_cli.render import state as coloured
        from joelclaw_contracts.redact import redact_text

        if switch:
            yield warning(
                f"All acting is stopped since {relative(switch.since_ms, now)} by {switch.owner}: {switch.reason}"
            )
        rows = (
            (
                i.id,
                coloured(i.state.value),
                f"{i.domain} {i.target}",
                i.attempt,
                _plan(i, now),
                shortened(redact_text(i.problem or i.failure_class), 80),
            )
            for i in shown
        )
        for pause in pauses:
            until = relative(pause.until_ms, now)
            yield warning(f"Paused until {until}: {pause.scope} by {pause.owner}: {pause.reason} ({pause.id})")
        columns = ("incident", "state", "target", ">attempt", "next", "problem")
        yield table(columns, rows, empty="nothing is broken", drop=("attempt",), shorten=("target", "next"))
        if inside:
            yield f"{len(inside)} members of a storm are not shown: joelclaw heal list --members"
        yield from part(len(found), total, "incidents")

    actions: list[Next] = [(f"joelclaw heal show {shown[0].id}", "look at one")] if shown else []
    if switch:
        actions.append(("joelclaw heal start", "let it act again"))
    result = {
        "incidents": [_facts(i) for i in shown],
        "shown": len(shown),
        "members": [i.id for i in inside],
        "pauses": [pause.to_json() for pause in pauses],
        "total": total,
        "stopped": asdict(switch) if switch else None,
    }
    return Answer(result, view, tuple(actions))


@command("show", store=True, examples=[("joelclaw heal show inc-0123456789ab", "what it is, and how it came to this")])
@click.argument("incident_id", metavar="ID", type=WORD)
def show(place: Place, incident_id: str) -> Answer:
    """One incident and its timeline."""
    from joelclaw_healing import Ledger

    async def look(store: Store) -> tuple[Incident, list[dict[str, Any]], int]:
        return *await Ledger(store).show(incident_id), await store.time_ms()

    found, timeline, now = place.run(look)

    def view() -> Iterable[RenderableType]:
        return _picture(found, timeline, now)

    actions: list[Next] = [(f"joelclaw otel search {found.id}", "the evidence of each decision")]
    if not found.is_over:
        actions.append((f"joelclaw heal dismiss {found.id} --reason '…'", "if it is over, or no matter"))
    return Answer(_facts(found) | {"timeline": timeline}, view, tuple(actions))


def _plan(incident: Incident, now: int) -> str:
    """What happens next, in a few words."""
    from joelclaw_cli.render import relative

    if incident.act:
        return f"{incident.act.kind.value} {relative(incident.act.due_ms, now)}"
    if incident.barred:
        return f"barred: {incident.barred}"
    if incident.state.value == "open":
        return f"judged afresh {relative(incident.watch_ms, now)}" if incident.watch_ms else "watching"
    if incident.approval:
        return f"an approval, until {relative(incident.approval_ms, now)}"
    if incident.acked_by:
        return f"{incident.acked_by}, who has seen it"
    return "a person" if incident.state.value == "escalated" else incident.end


def _facts(incident: Incident) -> dict[str, Any]:
    """Without the secrets of the request, which the incident keeps: a retry needs them."""
    from joelclaw_contracts import strict_json
    from joelclaw_contracts.redact import redact

    facts = asdict(incident) | {"request": _parsed(incident.request)}
    if incident.act and incident.act.payload:
        payload = redact(_parsed(incident.act.payload), strict_json.MAX_DEPTH)
        facts["act"] |= {"payload": json.dumps(payload, ensure_ascii=False)}
    return cast(dict[str, Any], redact(facts, strict_json.MAX_DEPTH + 2))


def _parsed(text: str) -> Any:
    from joelclaw_contracts import strict_json

    try:
        return strict_json.loads(text)
    except strict_json.NotStrictJson:
        return text or None


def _picture(i: Incident, timeline: Iterable[Mapping[str, Any]], now: int) -> Iterable[RenderableType]:
    from joelclaw_cli.render import clock, fields, shortened, state, table
    from joelclaw_contracts.redact import redact_text

    yield fields(
        [
            ("incident", i.id),
            ("state", state(i.state.value)),
            ("domain", i.domain),
            ("target", i.target),
            ("problem", redact_text(i.problem)),
            ("class", i.failure_class),
            ("next", _plan(i, now)),
            ("route", i.act.route if i.act else ""),
            ("attempt", i.attempt),
            ("requests", i.requests),
            ("reopened", i.reopened or ""),
            ("owner", i.owner),
            ("watchers", ", ".join(i.watchers)),
            ("group", i.group),
            ("acknowledged", f"{clock(i.acked_ms)} by {i.acked_by}" if i.acked_by else ""),
            ("opened", clock(i.opened_ms)),
            ("deadline", clock(i.deadline_ms)),
            ("closed", f"{clock(i.closed_ms)}  {i.end} by {i.closed_by}" if i.closed_ms else ""),
        ]
    )
    yield ""
    rows = ((clock(_ms(line.get("at"))), shortened(_told(line), 200)) for line in timeline)
    yield table(("time", "what happened"), rows, empty="no timeline is kept")


def _ms(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _told(line: Mapping[str, Any]) -> str:
    """What was done, and why, as a person would tell it. The whole of it is in the JSON."""
    from joelclaw_cli.render import clock, words

    what, decision = line.get("what", ""), line.get("decision")
    if isinstance(decision, Mapping):
        due = f"; due {clock(at)}" if (at := _ms(decision.get("due_ms"))) else ""
        by = f"; ordered by {line['ordered_by']}: {line.get('why', '')}" if line.get("ordered_by") else ""
        return f"{decision.get('verdict') or what}: {decision.get('reason', '')} ({decision.get('rule', '')}){due}{by}"
    if what == "handed over":
        return f"handed over: attempt {line.get('attempt')} to {line.get('route')}"
    if what == "closed":
        return f"closed: {line.get('end')} by {line.get('by')}: {line.get('detail')}"
    return f"{what}  {words({k: v for k, v in line.items() if k not in ('at', 'seq', 'what', 'move') and v})}"
