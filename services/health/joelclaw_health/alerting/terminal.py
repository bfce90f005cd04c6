"""Alerts to whoever sits before `joelclaw up`: a line `ALERT message CHANNEL service=health: text` on stderr, which it
shows, and the same line in the state directory's `alerts.log`."""

from __future__ import annotations

from dataclasses import dataclass

from joelclaw_health.alerting.letter import AlertLetter
from joelclaw_pod import LastResort


class NotDelivered(Exception):
    """`outlet` did not take it: the run is tried again."""

    def __init__(self, outlet: str, why: str) -> None:
        self.why = why
        super().__init__(f"the message for {outlet} was not taken: {why}")


@dataclass(frozen=True, slots=True)
class Terminal:
    """Delivers by the path that also tells of a lost store: nothing of it needs the store."""

    resort: LastResort

    def deliver(self, letter: AlertLetter, note: str = "") -> None:
        """note: why it comes here and not to where it was meant. NotDelivered."""
        text = f"{note}: {letter.text}" if note else letter.text
        if not self.resort.tell("message", letter.channel, text):
            raise NotDelivered("the terminal", "neither stderr nor alerts.log took the line")
