"""Health: asking for a check of the system, or of the runtime alone."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

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
    force: Flag = False
    """A person orders the restart: confirmations and pauses are skipped, budgets and the kill switch are not."""
    requested_by: Name | None = None
    """The person who asks; must be told with `force`."""
    wait_ms: Count | None = None
    """Pause between the restart and the first probe after it, ms; absent means the configuration's."""

    @model_validator(mode="after")
    def _a_person_orders(self) -> Self:
        if self.force and not self.requested_by:
            problem = "is absent, but force is true; say who orders the restart"
            raise PydanticCustomError("config", "{problem}", {"field": "requestedBy", "problem": problem})
        return self
