"""Health: asking for a check of the system, or of the runtime alone."""

from __future__ import annotations

from typing import ClassVar, Literal

from joelclaw_contracts.event import EventModel
from joelclaw_contracts.fields import Count, Flag, Name, Text

from .routed import ROUTED_FIELDS

HealthMode = Literal["core", "signals", "full"]
"""Core services, what they signal (lag, ages, sizes), or both."""


class HealthCheckRequested(EventModel):
    """Check the system's health now."""

    event_name: ClassVar[str] = "system/health.check.requested"
    carried: ClassVar[frozenset[str]] = ROUTED_FIELDS

    component: Name | None = None
    """Check this component only; absent means all."""
    mode: HealthMode = "full"
    """How much to check."""
    source: Name | None = None
    """Who asks; recorded in the evidence."""


class RuntimeHealthRequested(EventModel):
    """Probe the runtime now, and mend it if the guard permits."""

    event_name: ClassVar[str] = "system/inngest.runtime.health.requested"
    carried: ClassVar[frozenset[str]] = ROUTED_FIELDS

    domain: Name | None = None
    """The domain the probe is made for; absent means the remediator's own."""
    dry_run: Flag = False
    """Probe and report; restart nothing."""
    attempt: Count | None = None
    """The attempt, if a retry asks."""
    source_function: Name | None = None
    """Who asks; recorded in the evidence."""
    target_component: Name | None = None
    """What is thought to be broken."""
    target_event_name: Name | None = None
    """The route by which this came, if a retry asks."""
    problem_summary: Text | None = None
    """What is thought to be wrong, for people."""
