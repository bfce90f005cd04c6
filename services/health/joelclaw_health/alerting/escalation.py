"""A page that nobody acknowledged is repeated, and climbs: who is told again, and how often it was. Pure.

The first page is the router's. After `repeat_ms` without an acknowledgement the incident is paged again, to the first
owner of the chain; after as long again to the second, and so on; the last one hears it until somebody acknowledges or
dismisses it, or it ends. Without a chain its own owner hears it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from joelclaw_healing import Incident

PROBLEM_CHARS = 600


@dataclass(frozen=True, slots=True)
class Chain:
    """repeat_ms 0: nothing is repeated; owners: who hears it, one after the other."""

    repeat_ms: int = 0
    owners: tuple[str, ...] = ()

    def owner(self, page: int, own: str) -> str:
        """Who hears the repetition number `page`, which count from 1."""
        return self.owners[min(page, len(self.owners)) - 1] if self.owners else own


@dataclass(frozen=True, slots=True)
class Page:
    """One repetition. `id` is the same however often it is decided, so that it is sent once."""

    id: str
    owner: str
    text: str


def pages(waiting: Sequence[Incident], since: Mapping[str, int], now: int, chain: Chain) -> list[Page]:
    """What is to be said again now. waiting: the manual queue; since: since when (ms) each is in it."""
    if not chain.repeat_ms:
        return []
    found = []
    for incident in waiting:
        # An acknowledgement is a field of the incident; an incident without one was not acknowledged.
        number = (now - since.get(incident.id, now)) // chain.repeat_ms
        if number < 1 or str(getattr(incident, "acked_by", "")):
            continue
        owner = chain.owner(number, incident.owner)
        found.append(Page(f"{incident.id}:repeated:{number}", owner, _text(incident, number, owner)))
    return found


def _text(incident: Incident, number: int, owner: str) -> str:
    return "\n".join(
        (
            f"Still waiting for a person ({number + 1}. page): {incident.domain}/{incident.target}",
            f"problem: {incident.problem[:PROBLEM_CHARS] or 'not told'}",
            f"owner: {incident.owner or 'nobody is named'}; told now: {owner or 'the default owner'}",
            f"incident: {incident.id} (joelclaw heal show {incident.id}; joelclaw heal ack {incident.id} ends this)",
        )
    )
