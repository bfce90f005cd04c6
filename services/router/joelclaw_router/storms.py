"""Many targets that fail together are one incident of their common cause: opened once, paged once, closed by sight.

Its identity is (`storm`, the group). It is escalated from the first, since no retry of a member mends what they share;
it is over when the storm has passed and every member's own incident was seen to end.
"""

from __future__ import annotations

from dataclasses import replace

from joelclaw_healing.alerts import AlertText, alert
from joelclaw_healing.closing import close_incident
from joelclaw_healing.incident import Incident
from joelclaw_healing.ledger_keys import group_of
from joelclaw_healing.lifecycle import Report, escalated, reported, watched
from joelclaw_healing.look import STORM, Look, Place
from joelclaw_healing.move import Move
from joelclaw_router import replies
from joelclaw_router.desk import Desk, Outcome, nothing, waiting
from joelclaw_router.failure import Decision
from joelclaw_router.moves import proof_of
from joelclaw_router.record import outcome
from joelclaw_router.request import HEALING_ROUTER
from joelclaw_router.rules import Rule

NAMED = 10
"""So many members are named in the page."""
MOST = 5_000
LOOK_MS = 60_000
"""How often it is looked whether a storm is over."""


async def open_storm(desk: Desk, group: str, event: str) -> Outcome:
    """Opens the group's storm, or finds it open. event: the id of what told of it.

    What told of it proves nothing, since anyone may send it: the ledger's own record must show the storm."""
    members = sorted(f"{i.domain}/{i.target}" for i in await members_of(desk, group))
    move_id = f"storm:{group}:{event}"
    budgets = desk.bench.rules.config.budgets
    limit, place = (
        budgets.storm_targets,
        Place("", "", group, budgets.storm_window_ms),
    )  # nobody's: all of the group count

    def judge(look: Look) -> Move | Outcome:
        if look.incident is not None and not look.incident.is_over:
            return nothing(look.incident.id)
        if not _rages(look, group, limit):
            return _unfounded(desk, look, group, move_id, limit)
        return _opening(desk, look, group, event, move_id, members)

    async def find() -> Look:
        return await desk.ledger.look(STORM, group, move=move_id, place=place)

    return await desk.moved(f"{STORM}/{group}", find, judge)


async def look_at_storm(desk: Desk, incident: str, watch: str) -> Outcome:
    """Whether a storm is over; if not, the outcome says when to look again."""
    look = await desk.ledger.look_at(incident)
    found = look.incident
    if found is None or found.is_over or found.watch != watch:
        return nothing(incident)
    if look.now < found.watch_ms:
        return waiting(incident, watch, found.watch_ms)
    if look.storms.get(found.target, 0) > look.now or await members_of(desk, found.target):
        return waiting(incident, watch, look.now + LOOK_MS)
    channels = desk.bench.rules.channels(found.owner)
    detail = f"every target of {found.target} was seen to be well, and none fails any more"
    await close_incident(
        desk.ledger, incident, by=HEALING_ROUTER, detail=detail, voice=desk.bench.voice, channels=channels
    )
    return nothing(incident)


async def members_of(desk: Desk, group: str) -> list[Incident]:
    """The incidents of a group that are not over."""
    listed = await desk.ledger.list_incidents(limit=MOST)
    return [i for i in listed if i.domain != STORM and group_of(i) == group]


def _rages(look: Look, group: str, limit: int) -> bool:
    """By the script that bars acts (its end of the storm), or by as many that failed lately as make one."""
    return look.storms.get(group, 0) > look.now or 0 < limit <= look.failing


def _unfounded(desk: Desk, look: Look, group: str, move_id: str, limit: int) -> Move:
    what = f"a storm of {group[:200]} was told of, but {look.failing} of its targets failed lately, not {limit}"
    decision = Decision(Rule.STORM_UNFOUNDED, f"{what}: nothing is opened, and nobody is paged")
    proof = replies.evidence(move_id, None, decision, None, None, None, None, now=look.now, voice=desk.bench.voice)
    return Move(move_id, outcome(decision, None, None), {}, letters=(proof,))


def _opening(desk: Desk, look: Look, group: str, event: str, move_id: str, members: list[str]) -> Move:
    rules = desk.bench.rules
    named = ", ".join(members[:NAMED]) + (f" and {len(members) - NAMED} more" if len(members) > NAMED else "")
    problem = f"{len(members)} targets of {group} fail together: {named}"
    appointed = rules.owner(STORM, group) or rules.owner(group, "")
    report = Report(event, STORM, group, look.now, problem=problem, appointed=appointed, source_function=HEALING_ROUTER)
    base = replace(reported(look.incident, report, look.now), request="")
    decision = Decision(Rule.STORM_OPENED, f"one cause is likelier than {len(members)}; nothing acts on them meanwhile")
    text = AlertText("A person is needed", f"{decision.rule}: {decision.reason}")
    letters = alert(base, "escalated", text, channels=rules.channels(base.owner), producer=HEALING_ROUTER)
    after = watched(escalated(base, alerts=1), look.now + LOOK_MS)
    proof = proof_of(desk.bench, look, base, decision, move_id, None)
    audit = {"what": "storm", "decision": decision.to_json(), "members": members[:100]}
    again = replies.storm_due(after)
    return Move(move_id, outcome(decision, after, None), audit, look.incident, after, letters=(*letters, proof, again))
