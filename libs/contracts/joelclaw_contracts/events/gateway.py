"""The gateway: a message to people, for whatever delivers it."""

from __future__ import annotations

from typing import ClassVar

from joelclaw_contracts.event import EventModel, WireModel
from joelclaw_contracts.fields import Name, Text


class Audit(WireModel):
    """Who caused a message."""

    producer: Name
    """The function that sends it."""


class SendMessage(EventModel):
    """An alert to deliver.

    The event's id is incident + transition + repeat number, so that a repeated send is no second message.
    """

    event_name: ClassVar[str] = "gateway/send.message"
    told: ClassVar[bool] = True

    channel: Name
    """Where it goes; the deliverer knows its channels."""
    text: Text
    """What people read."""
    audit: Audit
    """Who caused it."""
