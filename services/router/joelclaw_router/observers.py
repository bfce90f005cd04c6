"""An observer's word that an incident is over: an event, and anyone who may write to the stream can send one.

| domain | what its word needs                                                              | without it         |
|--------|----------------------------------------------------------------------------------|--------------------|
| backup | the backup service's own record of a set that it proved while this incident was open | evidence; it stays |
| others | to name the incident's domain and target: its id alone stands in every answer    | nothing            |

Whoever sent it is told as what the event names itself, since nobody has seen its sender.
"""

from __future__ import annotations

from joelclaw_healing.closing import close_incident
from joelclaw_healing.errors import IncidentUnknown
from joelclaw_healing.incident import Incident
from joelclaw_healing.look import Look
from joelclaw_healing.move import Move
from joelclaw_router.adapters import adapter_of
from joelclaw_router.desk import CLOSER, Desk
from joelclaw_router.failure import Decision
from joelclaw_router.moves import proof_of
from joelclaw_router.record import outcome
from joelclaw_router.request import BACKUP
from joelclaw_router.rules import Rule


async def observed_end(
    desk: Desk, incident: str, domain: str, target: str, named: str, event: str, detail: str
) -> bool:
    """Closes it on such a word; its event was the closing, so none is sent. named: what the event calls itself."""
    look = await desk.ledger.look_at(incident)
    found = look.incident
    if found is None or (found.domain, found.target) != (domain, adapter_of(domain).target(target)):
        return False
    by = f"an event that names itself {named[:200]} (event {event})"
    if found.domain == BACKUP and not found.is_over:
        proof = await desk.ledger.proven(found.target)
        if proof is None or (proof.incident, proof.reopened) != (found.id, found.reopened):
            await desk.ledger.make(look, _unproven(desk, look, found, by, event))
            return False
        by = f"{by} and by the proof of set {proof.artefact}"
    try:
        return await close_incident(
            desk.ledger,
            incident,
            by=by,
            detail=detail,
            voice=desk.bench.voice,
            channels=desk.bench.rules.channels(found.owner),
            announce=False,
            acts=CLOSER,
        )
    except IncidentUnknown:
        return False  # forgotten just now


def _unproven(desk: Desk, look: Look, found: Incident, by: str, event: str) -> Move:
    """Told, and the incident stays as it is."""
    reason = f"{by} says that it is over, and no backup of {found.target} was proven here since"
    decision = Decision(Rule.CLOSING_UNPROVEN, reason, found.attempt)
    id = f"closing:{event}:unproven"
    return Move(
        id, outcome(decision, found, None), {}, letters=(proof_of(desk.bench, look, found, decision, id, None),)
    )
