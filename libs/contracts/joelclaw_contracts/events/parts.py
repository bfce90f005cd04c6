"""The nested parts that several events share. Each part is declared once; every event that has it reuses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError

from joelclaw_contracts.event import WireModel
from joelclaw_contracts.fields import MAX_ITEMS, Confidence, Count, FreeText, JsonObject, Name, Strings, Text

Action = Literal["retry", "pause", "escalate"]
"""What a router can decide. A model layer may only move to the right."""

NOTE = "note"


class RetryPolicy(WireModel):
    """What the requester would like; configuration fills what is absent, the policy clamps what is too much."""

    max_retries: Count | None = None
    """How many attempts the incident may have. 0 escalates at once; clamped to 0-64."""
    sleep_min_ms: Count | None = None
    """Base of the exponential delay and its floor, ms; clamped to 5,000-3,600,000."""
    sleep_max_ms: Count | None = None
    """Ceiling of the delay, ms; clamped to `sleepMinMs`-14,400,000."""
    sleep_step_ms: Count | None = None
    """Width of the jitter added to the delay, ms; clamped to 5,000-`sleepMaxMs`."""


class Evidence(WireModel):
    """One reference that backs a claim: a log file, a Redis key, an event id, a query."""

    type: Name
    """What kind of reference it is (`log`, `redis`, `event`, `query`, `note` …); counted in telemetry."""
    detail: FreeText
    """The reference itself; shown to people, never executed."""


def _evidence(value: Any) -> Any:
    return {"type": NOTE, "detail": value} if isinstance(value, str) else value


EvidenceItem = Annotated[Evidence, BeforeValidator(_evidence, json_schema_input_type=Evidence | str)]
"""Evidence, also read from a plain string, which becomes `{type: "note", detail: <the string>}` and is
written that way: one form for readers, both for producers."""

EvidenceList = Annotated[tuple[EvidenceItem, ...], Field(max_length=MAX_ITEMS)]


class Playbook(WireModel):
    """What people know about mending the target. Shown and carried, never executed."""

    actions: Strings = ()
    """What to try, in words; shown in the alert."""
    restart: Strings = ()
    """Targets that the adapter's own guarded restart is permitted on; permits, never orders."""
    kill: Strings = ()
    """Targets that the adapter's own guarded kill is permitted on; permits, never orders."""
    defer: Strings = ()
    """Reasons to wait first: any entry makes the first action a pause."""
    notify: Strings = ()
    """Who else should hear; fills the alert."""
    links: Strings = ()
    """Where to read more; fills the alert."""
    skills: Strings = ()
    """Which skills help; fills the alert."""
    runbooks: Strings = ()
    """Which runbooks apply; fills the alert."""


class RetryDecision(WireModel):
    """A router's decision as it was drawn: once, journaled, never redrawn."""

    action: Action
    """`retry`, `pause` or `escalate`."""
    delay_ms: Count
    """How long to wait before the action, ms; 0 for at once."""
    reason: Text
    """Why, in a sentence for people."""
    confidence: Confidence | None = None
    """0 to 1; 1 for a deterministic rule."""
    model: Name | None = None
    """The configured model id that took part; absent if policy alone decided."""
    route_to: Name | None = None
    """The event that the action sends; absent if it sends none."""


class RunContext(WireModel):
    """The thread through a chain of retries; travels in `context.runContext`."""

    run_context_key: Name
    """One key for the whole chain, the same in every attempt."""
    flow_trace: Strings = ()
    """The functions and events passed so far, oldest first."""
    source_event_name: Name
    """The event that began the chain."""
    source_event_id: Name
    """That event's id."""
    attempt: Count
    """The attempt that failed."""
    next_attempt: Count
    """The attempt that this event asks for."""

    @classmethod
    def read(cls, context: Mapping[str, Any] | None) -> Self | None:
        """The run context inside an event's `context`; None if there is none, or a stranger's in its place."""
        try:
            return cls.model_validate((context or {}).get("runContext"), by_alias=True, by_name=False)
        except ValidationError:
            return None

    def within(self, context: Mapping[str, Any] | None) -> JsonObject:
        """`context` with this run context in it, replacing an older one."""
        return {**(context or {}), "runContext": self.to_wire()}
