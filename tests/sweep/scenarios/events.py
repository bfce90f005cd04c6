"""The events that the scenarios' functions wait for and send."""

from __future__ import annotations

from typing import ClassVar

from joelclaw_bus import Backoff
from joelclaw_contracts import EventModel

AT_ONCE = Backoff(base_ms=5, cap_ms=5, jitter=0)


class Job(EventModel):
    event_name: ClassVar[str] = "test/job"

    name: str = "a"


class Done(EventModel):
    event_name: ClassVar[str] = "test/done"

    name: str = "a"


class Failed(EventModel):
    event_name: ClassVar[str] = "test/failed"
