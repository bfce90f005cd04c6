"""The end of an incident: observed by whoever saw it end, or dismissed by a person. Both leave one closing.

| who                                                      | closing's status | alert, if one was sent before |
|----------------------------------------------------------|------------------|-------------------------------|
| an observer: a verified artefact, probes that stay good  | remediated       | resolved                      |
| a person                                                 | noop             | dismissed                     |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from joelclaw_contracts import HealingCompleted
from joelclaw_healing.alerts import AlertText, alert
from joelclaw_healing.errors import IncidentContested, IncidentOver, IncidentUnknown
from joelclaw_healing.evidence import Voice
from joelclaw_healing.incident import End, Incident
from joelclaw_healing.ledger import Ledger
from joelclaw_healing.lifecycle import closed
from joelclaw_healing.look import Look
from joelclaw_healing.move import Letter, Made, Move

LOOKS = 10
ACTION = "system.self-healing.incident.closed"


async def close_incident(
    ledger: Ledger,
    incident: str,
    *,
    by: str,
    detail: str,
    voice: Voice,
    channels: Sequence[str] = (),
    announce: bool = True,
    acts: str = "",
) -> bool:
    """An observer saw it end. False if it was closed already. IncidentUnknown, IncidentContested.

    by: the function that observed; detail: what it saw; announce: emit the closing (False for whoever read one); acts:
    the function that closes it where another one observed: what an event says of its sender nobody has seen."""
    status = "remediated" if announce else ""
    return await _close(ledger, incident, End.RESOLVED, by, detail, voice, channels, status, acts)


async def close_target(
    ledger: Ledger, domain: str, target: str, *, by: str, detail: str, voice: Voice, channels: Sequence[str] = ()
) -> bool:
    """The same for whatever incident the target has now; `target` in its canonical name. False if there is none."""
    current = (await ledger.look(domain, target)).current
    return bool(current) and await close_incident(ledger, current, by=by, detail=detail, voice=voice, channels=channels)


async def dismiss_incident(
    ledger: Ledger, incident: str, *, actor: str, reason: str, voice: Voice, channels: Sequence[str] = ()
) -> None:
    """A person says that it is over. IncidentUnknown, IncidentOver, IncidentContested. `actor` is recorded."""
    if not await _close(ledger, incident, End.DISMISSED, actor, reason, voice, channels, "noop"):
        raise IncidentOver(incident, "nothing is left to dismiss")


async def _close(
    ledger: Ledger,
    incident: str,
    end: End,
    by: str,
    detail: str,
    voice: Voice,
    channels: Sequence[str],
    status: str,
    acts: str = "",
) -> bool:
    by, detail = by.strip() or "nobody named", detail.strip() or "it is over"
    for _ in range(LOOKS):
        look = await ledger.look_at(incident)
        if look.incident is None:
            raise IncidentUnknown(incident)
        if look.incident.is_over:
            return False
        answer = await ledger.make(look, _move(look, look.incident, end, by, detail, voice, channels, status, acts))
        if isinstance(answer, Made):
            return not answer.earlier
    raise IncidentContested(incident, LOOKS)


def _move(
    look: Look,
    before: Incident,
    end: End,
    by: str,
    detail: str,
    voice: Voice,
    channels: Sequence[str],
    status: str,
    acts: str,
) -> Move:
    id = f"closing:{before.id}:{before.reopened}"
    after = closed(before, end=end, by=by, now=look.now)
    letters: list[Letter] = []
    if status:
        letters.append(Letter(HealingCompleted.event_name, id, _closing(before, status, by, detail)))
    if before.alerts:
        headline = "Resolved" if end is End.RESOLVED else "Dismissed"
        text = AlertText(headline, f"{by}: {detail}")
        letters += alert(before, end.value, text, channels=channels, producer=acts or by)
        after = replace(after, alerts=after.alerts + 1)
    metadata = {"incident": before.id, "end": end.value, "by": by, "detail": detail, "attempt": before.attempt}
    letters.append(voice.evidence(id, at_ms=look.now, component=acts or by, action=ACTION, metadata=metadata))
    audit = {"what": "closed", "end": end.value, "by": by, "detail": detail}
    return Move(id, {"end": end.value}, audit, before, after, letters=tuple(letters))


def _closing(incident: Incident, status: str, by: str, detail: str) -> str:
    event = HealingCompleted.model_validate(
        {
            "domain": incident.domain,
            "status": status,
            "detected": 1,
            "inspected": 1,
            "incident_id": incident.id,
            "source_function": by,
            "target_component": incident.target,
            "attempt": incident.attempt,
            "reason": detail,
            "remediation_detail": detail,
            "owner": incident.owner or None,
        }
    )
    return event.to_json().decode()
