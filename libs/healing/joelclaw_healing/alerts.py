"""Alerts about incidents: transitions only, one thread per incident, once per (incident, transition, repeat).

An alert is a letter of the move that makes the transition: it leaves with it, or not at all, and never twice. Who
delivers it to people is another service's affair. `repeat` counts an incident's alerts, so that a reopened incident
can be heard again and a repeated move can't.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joelclaw_contracts import Audit, SendMessage
from joelclaw_healing.incident import Incident
from joelclaw_healing.move import Letter

DEFAULT_CHANNEL = "default"
"""Where an alert goes whose owner has no channel configured: the deliverer decides."""
DIGEST_CHANNEL = "digest"
"""Where it goes if nobody is to be paged: into the one daily digest."""
TEXT_CHARS = 4_000
_PROBLEM_CHARS = 600


@dataclass(frozen=True, slots=True)
class AlertText:
    """What people read: what happened, why, and what the request's playbook says. Strings are shown, never executed."""

    headline: str
    reason: str
    playbook: Sequence[tuple[str, Sequence[str]]] = ()
    """(title, lines), e.g. ("runbooks", (…,)); empty ones are left out."""

    def render(self, incident: Incident) -> str:
        lines = [
            f"{self.headline}: {incident.domain}/{incident.target}",
            f"problem: {_cut(incident.problem or 'not told', _PROBLEM_CHARS)}",
            f"why: {_cut(self.reason, _PROBLEM_CHARS)}",
            f"owner: {incident.owner or 'nobody is named'}",
            f"incident: {incident.id} (joelclaw heal show {incident.id})",
        ]
        if incident.watchers:
            lines.append(f"watching: {', '.join(incident.watchers)}")
        lines += [f"{title}: {'; '.join(words)}" for title, words in self.playbook if words]
        return _cut("\n".join(lines), TEXT_CHARS)


def alert(
    incident: Incident, transition: str, text: AlertText, *, channels: Sequence[str], producer: str
) -> tuple[Letter, ...]:
    """The letters of one alert, one per channel. `incident` is the one before the move: its count of alerts so far
    gives the repeat number. transition: `escalated`, `blocked`, `resolved` …; producer: the function that sends it."""
    id = f"{incident.id}:{transition}:{incident.alerts + 1}"
    return messages(id, text.render(incident), channels=channels, producer=producer)


def messages(id: str, text: str, *, channels: Sequence[str], producer: str) -> tuple[Letter, ...]:
    """One message as letters, one per channel. id: of the transition, repeat number included; sent once."""
    letters = []
    for number, channel in enumerate(channels or (DEFAULT_CHANNEL,)):
        message = SendMessage(channel=channel, text=text, audit=Audit(producer=producer))
        letters.append(Letter(SendMessage.event_name, id if number == 0 else f"{id}:{channel}", _json(message)))
    return tuple(letters)


def _json(message: SendMessage) -> str:
    return message.to_json().decode()


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
