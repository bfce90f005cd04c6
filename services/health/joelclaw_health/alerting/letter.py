"""What a message is, by the id that its sender gave it: `THREAD:TRANSITION:REPEAT`, with `:CHANNEL` for further ones.

An id of another form is its own thread: it is delivered, and nothing is ever withheld because of it. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from joelclaw_contracts import SendMessage
from joelclaw_contracts.redact import redact_text

CLOSINGS = frozenset({"resolved", "dismissed"})
"""Transitions that tell the end of what was told before; news only to those who heard the beginning."""

_FORM = re.compile(r"(?P<thread>.+):(?P<transition>[a-z][a-z-]*):(?P<repeat>[0-9]{1,9})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AlertLetter:
    """`thread`: one per incident or condition; `repeat`: its how-manieth message; `id`: the dedupe key."""

    id: str
    thread: str
    transition: str
    repeat: int
    channel: str
    text: str

    @property
    def closes(self) -> bool:
        return self.transition in CLOSINGS

    @property
    def title(self) -> str:
        """The same for a whole thread: mail and chat programs group by it."""
        return f"system-bus {self.thread}"


def read_letter(id: str, message: SendMessage) -> AlertLetter:
    """Redacted, because strangers send messages too."""
    text = redact_text(message.text)
    found = _FORM.fullmatch(id.removesuffix(f":{message.channel}"))
    if found is None:
        return AlertLetter(id, id, "message", 0, message.channel, text)
    thread, transition, repeat = found["thread"], found["transition"], int(found["repeat"])
    return AlertLetter(id, thread, transition, repeat, message.channel, text)
