"""Alerts to people: a line `ALERT message CHANNEL service=health: text` on stderr, which `joelclaw up` shows, and the
same line in the state directory's `alerts.log`. What is for the digest is a plain log line until there is a digest.

At least once by the event's id: the bus drops a repeated one. A line that nobody took is no delivery: it is tried
again, and at last a dead letter.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from joelclaw_contracts import SendMessage
from joelclaw_healing import DIGEST_CHANNEL
from joelclaw_pod import LastResort

log = logging.getLogger(__name__)


class NotDelivered(Exception):
    """Neither stderr nor the file took the line."""

    def __init__(self, channel: str) -> None:
        super().__init__(f"the message for {channel} was taken by neither stderr nor alerts.log")


@dataclass(frozen=True, slots=True)
class Terminal:
    """Delivers by the path that also tells of a lost store: nothing of it needs the store."""

    resort: LastResort

    def deliver(self, message: SendMessage) -> None:
        """NotDelivered."""
        if message.channel == DIGEST_CHANNEL:
            log.info("for the digest: %s", " ".join(message.text.split()))
        elif not self.resort.tell("message", message.channel, message.text):
            raise NotDelivered(message.channel)
