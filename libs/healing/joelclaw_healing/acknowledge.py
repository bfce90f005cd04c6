"""A person has seen the page: nobody is paged again for it. It ends nothing, and allows nothing."""

from __future__ import annotations

from joelclaw_healing.errors import IncidentContested, IncidentNotPaged, IncidentUnknown
from joelclaw_healing.evidence import Voice
from joelclaw_healing.incident import State
from joelclaw_healing.ledger import Ledger
from joelclaw_healing.lifecycle import acked
from joelclaw_healing.move import Made, Move

LOOKS = 10
ACTION = "system.self-healing.incident.acknowledged"
RULE = "acknowledged"


async def ack_incident(ledger: Ledger, incident: str, *, actor: str, reason: str, voice: Voice) -> bool:
    """False if somebody had acknowledged it already. IncidentUnknown, IncidentNotPaged, IncidentContested."""
    for _ in range(LOOKS):
        look = await ledger.look_at(incident)
        found = look.incident
        if found is None:
            raise IncidentUnknown(incident)
        if found.state is not State.ESCALATED:
            raise IncidentNotPaged(incident, found.state.value)
        if found.acked_by:
            return False
        id = f"ack:{found.id}:{found.seq}"
        told = {"rule": RULE, "incidentId": found.id, "by": actor, "reason": reason}
        proof = voice.evidence(id, at_ms=look.now, component=actor, action=ACTION, metadata=told)
        audit = {"what": RULE, "by": actor, "reason": reason}
        move = Move(id, {"by": actor}, audit, found, acked(found, actor, look.now), letters=(proof,))
        if isinstance(await ledger.make(look, move), Made):
            return True
    raise IncidentContested(incident, LOOKS)
